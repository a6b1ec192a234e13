import { z } from 'zod'
import type { DurableEvent } from '../protocol/events.ts'
import {
  beginAnswer,
  engineProject,
  engineRow,
  engineStatus,
  sandboxProtocol,
  turnAnswer,
  type BeginAnswer,
  type EngineStatus,
  type Project,
  type SandboxRequest,
  type TurnAnswer,
} from '../protocol/sandbox.ts'
import type { SandboxConnection } from './connection.ts'
import { SandboxLost } from './errors.ts'
import type { EngineAnswer } from './turn-api.ts'

/** Longest line of the engine's event stream, characters. */
const LINE_LIMIT = 64 * 2 ** 20
/** Events in one call of a replay. */
const REPLAY_BATCH = 500
const nothing = z.object({})

/** A frame of the engine's `/global/event`. */
export interface EngineFrame {
  payload: {
    id?: string | undefined
    type: string
    properties?: Record<string, unknown> | undefined
    syncEvent?: DurableEvent | undefined
  }
}

const name = z.string().min(1).max(128)
const frame = z.object({
  payload: z.object({
    id: z.string().max(128).optional(),
    type: name,
    properties: z.record(z.string(), z.unknown()).optional(),
    syncEvent: z
      .object({
        id: name,
        aggregateID: name,
        seq: z.number().int().nonnegative(),
        type: name,
        data: z.record(z.string(), z.unknown()),
      })
      .optional(),
  }),
})

/** What a turn asks of its sandbox: the engine, its log, its files. */
export class Sandbox {
  readonly #connection: SandboxConnection

  constructor(connection: SandboxConnection) {
    this.#connection = connection
  }

  /** Shows the ticket. @returns where the sandbox stands */
  async begin(ticket: string, config: object): Promise<BeginAnswer> {
    try {
      return await this.#connection.json('POST', '/begin', beginAnswer, {
        body: { protocol: sandboxProtocol, config },
        headers: { authorization: `Bearer ${ticket}` },
      })
    } catch (cause) {
      if (cause instanceof SandboxLost) throw cause
      throw new SandboxLost('unusable', 'the sandbox could not begin', { cause })
    }
  }

  status(): Promise<EngineStatus> {
    return this.#connection.json('GET', '/status', engineStatus)
  }

  /** Puts the turn's request to the engine, once however often this is called. */
  async askTurn(id: string, request: SandboxRequest): Promise<void> {
    await this.#connection.json('POST', '/turn', nothing, { body: { id, request } })
  }

  /** The engine's answer to the turn's request, which may take an hour. */
  async turnAnswer(): Promise<EngineAnswer> {
    return engineAnswer(await this.#connection.json('GET', '/turn', turnAnswer))
  }

  /** Sends any request to the engine and reads the whole answer. */
  async request(request: SandboxRequest, signal?: AbortSignal): Promise<EngineAnswer> {
    return engineAnswer(
      await this.#connection.json('POST', '/request', turnAnswer, {
        body: request,
        ...(signal ? { signal } : {}),
      }),
    )
  }

  /** Rows of the engine's log past these positions. */
  async eventsAfter(positions: Record<string, number>): Promise<DurableEvent[]> {
    const rows = await this.#connection.json('POST', '/history', z.array(engineRow), {
      body: positions,
    })
    return rows.map(({ id, aggregate_id, seq, type, data }) => ({
      id,
      aggregateID: aggregate_id,
      seq,
      type,
      data,
    }))
  }

  /** Leaves these sessions out of all that {@link eventsAfter} says from now on. */
  async disregard(sessions: readonly string[]): Promise<void> {
    if (sessions.length > 0)
      await this.#connection.json('POST', '/disregard', nothing, { body: sessions })
  }

  async makeDirectory(directory: string): Promise<void> {
    await this.#connection.json('POST', at('/directory', directory), nothing)
  }

  async unpack(directory: string, snapshot: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#connection.upload(at('/files', directory), snapshot)
  }

  /** A snapshot of the files: what the session's store lacks, or `whole`. */
  pack(directory: string, { whole = false } = {}): Promise<AsyncIterable<Uint8Array>> {
    const path = at('/files', directory) + (whole ? '&whole=1' : '')
    return this.#connection.download(path, { whole: true })
  }

  /** Says that the session's files and log are there. @returns the digest of the files */
  async restored(directory: string): Promise<string> {
    const schema = z.object({ files: z.string().max(128) })
    return (await this.#connection.json('POST', at('/restored', directory), schema)).files
  }

  /** Ends what the turn has left running. @returns what the directory is now, and the digest of its files */
  finish(directory: string): Promise<{ files: string; project: Project }> {
    const schema = z.object({ files: z.string().max(128), project: engineProject })
    return this.#connection.json('POST', at('/finish', directory), schema)
  }

  /** Ends the engine and all that it has started; files stay. */
  async stop(): Promise<void> {
    await this.#connection.json('POST', '/stop', nothing)
  }

  /** Says that the files of this digest are stored. */
  async stored(files: string): Promise<void> {
    await this.#connection.json('POST', '/stored', nothing, { body: { files } })
  }

  /**
   * Loads events into the engine, one session at a time, in pieces that it takes comfortably. The directory's files
   * must be there: the engine opens it now.
   */
  async replay(directory: string, events: DurableEvent[]): Promise<void> {
    const query = { directory }
    const current = await this.request({ method: 'GET', path: '/project/current', query })
    const project = engineProject.safeParse(current.body)
    if (current.status !== 200 || !project.success)
      throw new Error(`the engine did not open the directory (${current.status.toString()})`)
    const sessions = groupBy(events.map((event) => inProject(event, project.data.id)))
    for (const rows of sessions.values()) {
      for (let start = 0; start < rows.length; start += REPLAY_BATCH) {
        const body = { directory, events: rows.slice(start, start + REPLAY_BATCH) }
        const answer = await this.request({ method: 'POST', path: '/sync/replay', query, body })
        // Its answer may quote events, that is message contents: not for a log.
        if (answer.status !== 200)
          throw new Error(`the engine refused the session's history (${answer.status.toString()})`)
      }
    }
  }

  /** The engine's event stream. Resolves once connected; ends when the engine or `signal` does. */
  async events(signal: AbortSignal): Promise<AsyncGenerator<EngineFrame>> {
    const frames = readFrames(await this.#connection.download('/events', { signal }))
    // The first frame says "connected": from here on nothing is missed.
    await frames.next()
    return frames
  }
}

async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<EngineFrame> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of source) {
    rest += decoder.decode(chunk, { stream: true })
    if (rest.length > LINE_LIMIT) throw new Error('an event of the engine is too long')
    if (!rest.includes('\n')) continue
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('data:')) continue
      const read = frame.safeParse(parsed(line.slice(5), 'json'))
      // What is in no known form is nothing that a client could be shown.
      if (read.success) yield read.data
    }
  }
}

function groupBy(events: DurableEvent[]): Map<string, DurableEvent[]> {
  const groups = new Map<string, DurableEvent[]>()
  for (const event of events) {
    const group = groups.get(event.aggregateID)
    if (group) group.push(event)
    else groups.set(event.aggregateID, [event])
  }
  return groups
}

/**
 * The event with the project that its directory is now. The engine stores no session of a project that it does not
 * know: those of an earlier turn, before `git init` or the first commit, or after a `rm -r .git`.
 */
function inProject(event: DurableEvent, projectID: string): DurableEvent {
  const { info } = event.data as { info?: { projectID?: string } }
  return info?.projectID === undefined
    ? event
    : { ...event, data: { ...event.data, info: { ...info, projectID } } }
}

function at(path: string, directory: string): string {
  return `${path}?${new URLSearchParams({ directory }).toString()}`
}

function engineAnswer({ status, type, body }: TurnAnswer): EngineAnswer {
  return { status, headers: type === '' ? {} : { 'content-type': type }, body: parsed(body, type) }
}

function parsed(text: string, type: string): unknown {
  if (!type.includes('json') || text === '') return text === '' ? null : text
  try {
    return JSON.parse(text) as unknown
  } catch {
    // The parser's own message would quote the text.
    throw new Error('the engine answered with broken JSON')
  }
}
