import { Agent, fetch } from 'undici'
import type { DurableEvent } from '../../protocol/events.ts'
import type { EngineStatus } from '../engine/engine.ts'
import type { Project } from '../engine/project.ts'
import type { EngineAnswer } from './turn-api.ts'

// A turn's request is answered when the turn is over, which may take an hour: no time limits on this connection.
// Nor is one used twice: on a busy machine the other side may close it for idleness just as it is taken again.
const patient = new Agent({ headersTimeout: 0, bodyTimeout: 0, pipelining: 0 })

/** Time to say what a directory is, ms. */
const PROJECT_TIMEOUT = 10_000

/** A frame of the engine's `/global/event`. */
export interface EngineFrame {
  directory?: string
  payload: {
    id?: string
    type: string
    properties?: Record<string, unknown>
    syncEvent?: DurableEvent
  }
}

/** A request to the engine's own HTTP API. */
export interface EngineRequest {
  method: string
  path: string
  query?: Record<string, string> | null | undefined
  body?: unknown
}

/** The engine's control API (see ../engine/control.ts) and the engine itself, both on loopback. */
export class EngineClient {
  readonly #controlURL: string
  readonly #engineURL: string
  #authorization = ''
  /** What was there before the engine's turn: its events are not the turn's. */
  #disregarded: Record<string, number> = {}

  constructor(controlURL: string, engineURL: string) {
    this.#controlURL = controlURL
    this.#engineURL = engineURL
  }

  async status(signal = AbortSignal.timeout(5_000)): Promise<EngineStatus> {
    return (await this.#control('/status', { signal })).json() as Promise<EngineStatus>
  }

  /** Starts a clean engine; its generation tells it from the next. */
  async start(config: object): Promise<number> {
    const started = (await (
      await this.#control('/start', { method: 'POST', body: JSON.stringify({ config }) })
    ).json()) as { password: string; generation: number }
    this.#authorization = `Basic ${Buffer.from(`opencode:${started.password}`).toString('base64')}`
    this.#disregarded = {}
    return started.generation
  }

  /** Leaves the sessions that the engine has now out of everything that {@link eventsAfter} says. */
  async disregardEvents(): Promise<void> {
    const rows = await this.eventsAfter({})
    for (const { aggregateID } of rows) this.#disregarded[aggregateID] = Number.MAX_SAFE_INTEGER
  }

  /** Ends every process in the engine's container; files stay. */
  async stop(): Promise<void> {
    await (await this.#control('/stop', { method: 'POST' })).text()
  }

  /** Lets the engine's container end. */
  async leave(): Promise<void> {
    await (
      await this.#control('/leave', { method: 'POST', signal: AbortSignal.timeout(2_000) })
    ).text()
  }

  async makeDirectory(directory: string): Promise<void> {
    await (await this.#control(`/workspace?${query({ directory })}`, { method: 'POST' })).text()
  }

  async unpack(directory: string, archive: AsyncIterable<Uint8Array>): Promise<void> {
    await (
      await this.#control(`/workspace?${query({ directory })}`, {
        method: 'PUT',
        body: archive,
        duplex: 'half',
      })
    ).text()
  }

  async pack(directory: string): Promise<AsyncIterable<Uint8Array>> {
    const { body } = await this.#control(`/workspace?${query({ directory })}`, {})
    if (body === null) throw new Error('the engine runner sent no archive')
    return body as AsyncIterable<Uint8Array>
  }

  async fingerprint(directory: string): Promise<string> {
    return (
      (await (
        await this.#control(`/workspace/fingerprint?${query({ directory })}`, {})
      ).json()) as { fingerprint: string }
    ).fingerprint
  }

  /** What a directory is now; the engine itself looks only when it opens one. */
  async project(directory: string): Promise<Project> {
    return (
      await this.#control(`/workspace/project?${query({ directory })}`, {
        signal: AbortSignal.timeout(PROJECT_TIMEOUT),
      })
    ).json() as Promise<Project>
  }

  /**
   * Loads a session's events, one session at a time, in pieces that the engine takes comfortably. The directory's files
   * must be there: the engine opens it now.
   */
  async replay(directory: string, events: DurableEvent[]): Promise<void> {
    const current = await this.request({
      method: 'GET',
      path: '/project/current',
      query: { directory },
    })
    if (current.status !== 200)
      throw new Error(`the engine did not open the directory (${current.status.toString()})`)
    const { id } = current.body as Project
    const sessions = groupBy(events.map((event) => inProject(event, id)))
    for (const rows of sessions.values()) {
      for (let start = 0; start < rows.length; start += 500) {
        const body = { directory, events: rows.slice(start, start + 500) }
        const answer = await this.request({
          method: 'POST',
          path: '/sync/replay',
          query: { directory },
          body,
        })
        // Its answer may quote events, that is message contents: not for a log.
        if (answer.status !== 200)
          throw new Error(`the engine refused the session's history (${answer.status.toString()})`)
      }
    }
  }

  /** Events past the given positions, of every session of the turn. */
  async eventsAfter(positions: Record<string, number>): Promise<DurableEvent[]> {
    const heads = { ...positions, ...this.#disregarded }
    const answer = await this.request({ method: 'POST', path: '/sync/history', body: heads })
    if (answer.status !== 200)
      throw new Error(`the engine's event log could not be read: ${answer.status.toString()}`)
    const rows = answer.body as {
      id: string
      aggregate_id: string
      seq: number
      type: string
      data: Record<string, unknown>
    }[]
    return rows
      .map(({ id, aggregate_id, seq, type, data }) => ({
        id,
        aggregateID: aggregate_id,
        seq,
        type,
        data,
      }))
      .filter(({ aggregateID, seq }) => seq > (heads[aggregateID] ?? -1))
  }

  /** Sends any request to the engine and reads the whole answer. */
  async request(
    { method, path, query: parameters, body }: EngineRequest,
    signal?: AbortSignal,
  ): Promise<EngineAnswer> {
    const search = parameters ? `?${query(parameters)}` : ''
    const response = await fetch(`${this.#engineURL}${path}${search}`, {
      method,
      headers: {
        authorization: this.#authorization,
        ...(body === undefined || body === null ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined || body === null ? null : JSON.stringify(body),
      dispatcher: patient,
      ...(signal ? { signal } : {}),
    })
    const text = await response.text()
    const type = response.headers.get('content-type') ?? ''
    return {
      status: response.status,
      headers: type === '' ? {} : { 'content-type': type },
      body: parsed(text, type),
    }
  }

  /** The engine's event stream. Resolves once connected; ends when the engine or `signal` does. */
  async events(signal: AbortSignal): Promise<AsyncGenerator<EngineFrame>> {
    const response = await fetch(`${this.#engineURL}/global/event`, {
      headers: { authorization: this.#authorization },
      dispatcher: patient,
      signal,
    })
    if (!response.ok || response.body === null)
      throw new Error(`the engine's event stream answered ${response.status.toString()}`)
    const frames = readFrames(response.body as AsyncIterable<Uint8Array>)
    // The first frame says "connected": from here on nothing is missed.
    await frames.next()
    return frames
  }

  async #control(
    path: string,
    init: Parameters<typeof fetch>[1],
  ): Promise<Awaited<ReturnType<typeof fetch>>> {
    const response = await fetch(this.#controlURL + path, { ...init, dispatcher: patient })
    if (!response.ok)
      throw new Error(
        `the engine runner answered ${response.status.toString()} to ${path.split('?')[0] ?? ''}: ${await response.text()}`,
      )
    return response
  }
}

async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<EngineFrame> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of source) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines)
      if (line.startsWith('data:')) yield JSON.parse(line.slice(5)) as EngineFrame
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

function query(parameters: Record<string, string>): string {
  return new URLSearchParams(parameters).toString()
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
