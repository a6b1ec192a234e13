import { randomUUID } from 'node:crypto'
import type { DurableEvent, PassingEvent, TurnEvent } from '../../../services/protocol/events.ts'
import { TurnTokens } from '../../../services/api/turns/token.ts'
import { turnTokenSecret, type Stores } from './api.ts'
import { until } from './until.ts'
import { newID } from './worker.ts'

/** A turn that this worker holds. */
export interface HeldTurn {
  id: string
  sessionID: string
  fence: number
}

/** Speaks the workers' side of the internal endpoints without an engine: what a turn does is what the test says. */
export class ScriptedWorker {
  readonly #url: string
  readonly #stores: Stores
  readonly #tokens = new TurnTokens(turnTokenSecret)

  constructor(url: string, stores: Stores) {
    this.#url = url
    this.#stores = stores
  }

  /** Sends a request with a turn's token. */
  async send(
    turnID: string,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const [turn] = await this.#stores.postgres.primary.query<{
      session_id: string
      tenant: string
    }>('SELECT session_id, tenant FROM turns WHERE id = $1', [turnID])
    const claims = { turn: turnID, session: turn?.session_id ?? '', tenant: turn?.tenant ?? '' }
    const token = await this.#tokens.sign(claims, new Date(Date.now() + 3_600_000))
    return fetch(`${this.#url}/internal/turns/${turnID}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined
        ? {}
        : { body: body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body) }),
    })
  }

  /** Takes the session's turn that waits in the queue. */
  async claim(sessionID: string): Promise<HeldTurn> {
    const find = () =>
      this.#stores.postgres.primary.query<{ id: string }>(
        `SELECT id FROM turns WHERE session_id = $1 AND status IN ('queued', 'running')`,
        [sessionID],
      )
    await until(async () => (await find()).length > 0, 30_000, `a turn of ${sessionID}`)
    const id = (await find())[0]?.id ?? ''
    return this.claimTurn(id, sessionID)
  }

  /** Takes a certain turn, also one that another worker holds. */
  async claimTurn(id: string, sessionID: string): Promise<HeldTurn> {
    const response = await this.send(id, 'POST', '/claim', { worker: `scripted-${randomUUID()}` })
    if (!response.ok)
      throw new Error(`claim: ${response.status.toString()} ${await response.text()}`)
    return { id, sessionID, fence: ((await response.json()) as { fence: number }).fence }
  }

  /** Appends to the log, and passes on what is not kept. */
  async append(
    turn: HeldTurn,
    durable: readonly DurableEvent[],
    passing: readonly PassingEvent[] = [],
  ): Promise<Response> {
    return this.say(turn, [
      ...durable.map((event) => ({ kind: 'durable' as const, ...event })),
      ...passing.map((event) => ({ kind: 'passing' as const, ...event })),
    ])
  }

  /** Sends events in their order. */
  async say({ id, fence }: HeldTurn, events: readonly TurnEvent[]): Promise<Response> {
    return this.send(id, 'POST', '/events', { fence, events })
  }

  async complete({ id, fence }: HeldTurn, body: unknown = {}): Promise<Response> {
    return this.send(id, 'POST', '/complete', {
      fence,
      outcome: 'completed',
      response: { status: 200, headers: {}, body },
    })
  }

  /** Begins the session that a fork's turn is to begin, as the engine does: in its source's directory. */
  async beginFork(
    turn: HeldTurn,
    info: { title?: string } = {},
  ): Promise<{ id: string; response: Response }> {
    const [source] = await this.#stores.postgres.primary.query<{ info: Record<string, unknown> }>(
      'SELECT info FROM sessions WHERE id = $1',
      [turn.sessionID],
    )
    const id = `ses_${newID('evt').slice(4)}`
    const data = { sessionID: id, info: { ...source?.info, id, ...info } }
    const response = await this.append(turn, [
      { id: newID('evt'), aggregateID: id, seq: 0, type: 'session.created.1', data },
    ])
    return { id, response }
  }

  /** Position of the newest event of a session. */
  async head(sessionID: string): Promise<number> {
    const [row] = await this.#stores.postgres.primary.query<{ head_seq: string }>(
      'SELECT head_seq FROM sessions WHERE id = $1',
      [sessionID],
    )
    return Number(row?.head_seq)
  }

  /** A message of the user as the engine logs it: its info, then its one text part. */
  message(sessionID: string, seq: number, text: string): DurableEvent[] {
    const id = newID('msg')
    const part = { id: newID('prt'), sessionID, messageID: id, type: 'text', text }
    const info = {
      id,
      sessionID,
      role: 'user',
      time: { created: Date.now() },
      agent: 'build',
      model: { providerID: 'scripted', modelID: 'one' },
    }
    return [
      {
        id: newID('evt'),
        aggregateID: sessionID,
        seq,
        type: 'message.updated.1',
        data: { sessionID, info },
      },
      {
        id: newID('evt'),
        aggregateID: sessionID,
        seq: seq + 1,
        type: 'message.part.updated.1',
        data: { sessionID, part, time: Date.now() },
      },
    ]
  }
}
