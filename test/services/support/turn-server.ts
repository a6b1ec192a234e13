import { SnapshotStore } from './snapshot-store.ts'
import { serve, type ServerType } from '@hono/node-server'
import { Hono } from 'hono'
import type { AddressInfo } from 'node:net'
import { createLlmProxy, type LlmUsage } from '../../../services/api/llm/proxy.ts'
import { defaultLlmConfig, type LlmConfig } from '../../../services/runtime/llm-config.ts'
import type { DurableEvent, PassingEvent, TurnEvent } from '../../../services/protocol/events.ts'
import type { Completion } from '../../../services/worker/turn-api.ts'
import { Tickets } from '../../../services/api/sandboxes/ticket.ts'
import { ticketPrivateKey, type LocalSandboxes } from './local-sandboxes.ts'

/** A turn as the internal endpoints hand it out. */
export interface ServedTurn {
  sessionID: string
  directory: string
  request: { method: string; path: string; query?: Record<string, string>; body?: unknown }
  config: Record<string, unknown> | null
  deadline?: string
  token: string
  fence: number
  attempt: number
  /** How often it has ended its sandbox from within. */
  losses: number
  abort: boolean
  /** Its events cannot be stored: every append is answered with 500. */
  broken?: boolean
  completion?: Completion
  passing: PassingEvent[]
  claims: string[]
}

/**
 * The API's internal endpoints in memory: the contract the worker is written against, strict where the real one is
 * (fences, gapless sequences, idempotent appends). The end-to-end cases run against the real API.
 */
export class TurnServer {
  readonly turns = new Map<string, ServedTurn>()
  readonly log = new Map<string, DurableEvent[]>()
  readonly workspaces = new Map<string, SnapshotStore>()
  readonly usage: LlmUsage[] = []
  /** Violations of the contract seen; a test expects none. */
  readonly violations: string[] = []
  workspaceMaxBytes = 64 * 2 ** 20
  url = ''
  /** Where sandboxes come from; without, turns wait. */
  pool: LocalSandboxes | undefined
  /** The sandbox of each session, and the fence of its newest ticket. */
  readonly awake = new Map<string, { uid: string; address: string; fence: number }>()
  readonly #tickets = new Tickets(ticketPrivateKey)
  readonly #server: ServerType

  constructor(llm: LlmConfig = defaultLlmConfig) {
    const app = new Hono()
    app.post('/internal/heartbeats', async (context) => {
      const said = await context.req.json<{ turns: { token: string; fence: number }[] }>()
      const states = said.turns.map(({ token, fence }) => {
        const [id = '', turn] = [...this.turns].find(([, other]) => other.token === token) ?? []
        const isHeld = turn?.fence === fence && turn.completion === undefined
        return [`${id} ${fence.toString()}`, !isHeld ? 'stale' : turn.abort ? 'abort' : 'held']
      })
      return context.json({ turns: Object.fromEntries(states) as object })
    })
    app.use('/internal/*', async (context, next) => {
      const token = context.req.header('authorization')?.replace(/^Bearer /, '')
      const turn = [...this.turns.values()].find((candidate) => candidate.token === token)
      if (turn === undefined) return context.json({ title: 'unauthorized' }, 401)
      await next()
      return undefined
    })
    this.#routes(app)
    app.route(
      '/internal/llm',
      createLlmProxy({
        config: llm,
        caller: () => ({ tenant: 't1', turnID: '', sessionID: '' }),
        record: (usage) => {
          this.usage.push(usage)
          return Promise.resolve()
        },
        metrics: { tokens: () => undefined, duration: () => undefined, error: () => undefined },
        onError: (error) => {
          this.violations.push(String(error))
        },
      }),
    )
    this.#server = serve(
      { fetch: app.fetch, port: 0, hostname: '127.0.0.1' },
      (address: AddressInfo) => {
        this.url = `http://127.0.0.1:${address.port.toString()}`
      },
    )
  }

  async listening(): Promise<this> {
    while (this.url === '') await new Promise((done) => setTimeout(done, 5))
    return this
  }

  close(): void {
    this.#server.close()
    if ('closeAllConnections' in this.#server) this.#server.closeAllConnections()
  }

  /** All events of a session, in order. */
  events(sessionID: string): DurableEvent[] {
    return this.log.get(sessionID) ?? []
  }

  #routes(app: Hono): void {
    app.post('/internal/turns/:id/claim', async (context) => {
      const turn = this.turns.get(context.req.param('id'))
      if (turn === undefined || turn.completion) return context.json({ title: 'done' }, 409)
      turn.claims.push((await context.req.json<{ worker: string }>()).worker)
      turn.fence += 1
      const { sessionID, directory, request, config, deadline } = turn
      return context.json({
        turn: {
          id: context.req.param('id'),
          sessionID,
          directory,
          request,
          config,
          deadline,
          attempt: turn.attempt,
        },
        fence: turn.fence,
      })
    })
    app.post('/internal/turns/:id/history', async (context) => {
      const { after } = await context.req.json<{ after: Record<string, number> }>()
      const rows = [...this.#family(context.req.param('id')).values()]
        .flat()
        .filter(({ aggregateID, seq }) => seq > (after[aggregateID] ?? -1))
      return context.text(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    })
    app.get('/internal/turns/:id/heads', (context) => {
      const heads = [...this.#family(context.req.param('id'))].map(([id, rows]) => [
        id,
        { seq: rows.length - 1, id: rows.at(-1)?.id },
      ])
      return context.json(Object.fromEntries(heads) as object)
    })
    app.post('/internal/turns/:id/sandbox', async (context) => {
      const id = context.req.param('id')
      const turn = this.turns.get(id)
      if (turn?.fence !== (await context.req.json<{ fence: number }>()).fence)
        return context.json({ type: 'stale-fence' }, 409)
      const own = this.awake.get(turn.sessionID) ?? (await this.#claim(turn.sessionID))
      if (own === undefined) return context.json({ type: 'no-sandbox' }, 503)
      own.fence += 1
      const { uid, address, fence } = own
      return context.json({
        uid,
        address,
        ticket: await this.#tickets.sign({ pod: uid, turn: id, fence }),
      })
    })
    app.post('/internal/turns/:id/sandbox/end', async (context) => {
      const said = await context.req.json<{ fence: number; uid: string; reason: string }>()
      const turn = this.turns.get(context.req.param('id'))
      if (turn?.fence !== said.fence) return context.json({ type: 'stale-fence' }, 409)
      if (!['unreached', 'unusable'].includes(said.reason)) turn.losses += 1
      await this.#end(turn.sessionID)
      return context.json({ losses: turn.losses })
    })
    app.post('/internal/turns/:id/events', async (context) => {
      const body = await context.req.json<{
        fence: number
        events: TurnEvent[]
      }>()
      const turn = this.turns.get(context.req.param('id'))
      if (turn?.fence !== body.fence || turn.completion)
        return context.json({ type: 'stale-fence' }, 409)
      if (turn.broken === true) return context.json({ title: 'broken' }, 500)
      for (const { kind, ...event } of body.events)
        if (kind === 'durable') this.#append(event as DurableEvent)
        else turn.passing.push(event as PassingEvent)
      return context.json({ heads: {}, taken: body.events.length })
    })
    app.get('/internal/turns/:id/workspace', async (context) => {
      const kept = this.workspaces.get(this.turns.get(context.req.param('id'))?.sessionID ?? '')
      return kept === undefined
        ? context.body(null, 204)
        : context.body(new Uint8Array(await kept.read()))
    })
    app.put('/internal/turns/:id/workspace', async (context) => {
      const turn = this.turns.get(context.req.param('id'))
      if (turn?.fence !== Number(context.req.header('x-opencode-fence')))
        return context.json({ type: 'stale-fence' }, 409)
      const upload = Buffer.from(await context.req.arrayBuffer())
      if (upload.length > this.workspaceMaxBytes)
        return context.json({ detail: `${upload.length.toString()} bytes are past the limit` }, 413)
      const kept = this.workspaces.get(turn.sessionID) ?? new SnapshotStore()
      this.workspaces.set(turn.sessionID, kept)
      return (await kept.write(upload)) ? context.body(null, 204) : context.json({}, 412)
    })
    app.post('/internal/turns/:id/complete', async (context) => {
      const body = await context.req.json<Completion & { fence: number }>()
      const turn = this.turns.get(context.req.param('id'))
      if (turn?.fence !== body.fence) return context.json({ type: 'stale-fence' }, 409)
      turn.completion = body
      if (body.sandbox !== 'keep') await this.#end(turn.sessionID)
      return context.json({})
    })
  }

  /** The turn's session and what it has begun; sessions here have no other relatives. */
  #family(turnID: string): Map<string, DurableEvent[]> {
    const id = this.turns.get(turnID)?.sessionID ?? ''
    return new Map(
      [...this.log].filter(([other, [first]]) => {
        const { info } = (first?.data ?? {}) as { info?: { parentID?: string } }
        return other === id || info?.parentID === id
      }),
    )
  }

  async #claim(
    sessionID: string,
  ): Promise<{ uid: string; address: string; fence: number } | undefined> {
    for (const pod of (await this.pool?.list()) ?? []) {
      if (!pod.isReady || pod.address === undefined || !(await this.pool?.claim(pod))) continue
      const own = { uid: pod.uid, address: pod.address, fence: 0 }
      this.awake.set(sessionID, own)
      return own
    }
    return undefined
  }

  /** Ends every sandbox that waits for its session's next turn. */
  async endAwake(): Promise<void> {
    await Promise.all([...this.awake.keys()].map((id) => this.#end(id)))
  }

  async #end(sessionID: string): Promise<void> {
    const own = this.awake.get(sessionID)
    this.awake.delete(sessionID)
    if (own !== undefined) await this.pool?.end('', own.uid)
  }

  #append(event: DurableEvent): void {
    const rows = this.log.get(event.aggregateID) ?? []
    this.log.set(event.aggregateID, rows)
    const known = rows[event.seq]
    if (known && known.id !== event.id)
      this.violations.push(
        `${event.aggregateID} ${event.seq.toString()}: ${known.id} and ${event.id}`,
      )
    if (known) return
    if (event.seq !== rows.length)
      this.violations.push(
        `${event.aggregateID}: ${event.seq.toString()} after ${(rows.length - 1).toString()}`,
      )
    rows.push(event)
  }
}
