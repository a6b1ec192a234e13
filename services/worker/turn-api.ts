import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, fetch, type RequestInit, type Response } from 'undici'
import { z } from 'zod'
import type { DurableEvent, TurnEvent } from '../protocol/events.ts'
import type { Project } from '../protocol/sandbox.ts'
import { StaleFence, TurnRefused, type LossReason } from './errors.ts'

const claim = z.object({
  turn: z.object({
    id: z.string(),
    sessionID: z.string(),
    directory: z.string(),
    request: z.object({
      method: z.string(),
      path: z.string(),
      query: z.record(z.string(), z.string()).nullish(),
      body: z.unknown().optional(),
    }),
    attempt: z.number(),
    config: z.record(z.string(), z.unknown()).nullish(),
    deadline: z.union([z.string(), z.number()]).nullish(),
  }),
  fence: z.number(),
})

/** What a worker is told about the turn it has claimed. */
export type Claim = z.infer<typeof claim>

/** The engine's answer to the turn's request. */
export interface EngineAnswer {
  status: number
  headers: Record<string, string>
  body: unknown
}

const sandbox = z.object({ uid: z.string(), address: z.string(), ticket: z.string() })
const heads = z.record(z.string(), z.object({ seq: z.number().int(), id: z.string() }))

/** The sandbox that the turn's session has now, and what opens it. */
export type SandboxGrant = z.infer<typeof sandbox>

/** The newest event of each session of the family, as the log has them. */
export type Heads = z.infer<typeof heads>

/** How the turn ended. */
export interface Completion {
  outcome: 'completed' | 'failed' | 'aborted'
  response: EngineAnswer
  error?: string
  /** It failed as often as it may, and people should look into it. */
  givenUp?: boolean
  /** The session's project after the turn. */
  project?: Project
  /** What becomes of the sandbox: it waits for the session's next turn, or it is of no more use. @default 'end' */
  sandbox?: 'keep' | 'end'
}

// The API may hold a claim's history back while it reads; a silent connection must still end some day.
const agent = new Agent({ headersTimeout: 60_000, bodyTimeout: 120_000, keepAliveTimeout: 30_000 })

/** The API's internal endpoints for one turn. Every call carries the turn's token and, where it writes, its fence. */
export class TurnApi {
  readonly #base: string
  readonly #token: string
  readonly #headers: () => Record<string, string>
  #fence = -1

  /**
   * @param apiURL - Base URL of the API.
   * @param token - The turn's token; never logged.
   * @param headers - Extra headers of every call (trace context).
   */
  constructor(
    apiURL: string,
    turnID: string,
    token: string,
    headers: () => Record<string, string> = () => ({}),
  ) {
    this.#base = `${apiURL.replace(/\/+$/, '')}/internal/turns/${encodeURIComponent(turnID)}`
    this.#token = token
    this.#headers = headers
  }

  /** Takes the turn. @returns undefined when it is over or gone. */
  async claim(worker: string): Promise<Claim | undefined> {
    const response = await this.#send('/claim', json({ worker }))
    if (response.status === 409 || response.status === 404) return undefined
    const claimed = claim.parse(await (await this.#ok(response)).json())
    this.#fence = claimed.fence
    return claimed
  }

  /** The claim's fence; -1 before it. */
  get fence(): number {
    return this.#fence
  }

  /**
   * The session's sandbox, or one of the pool where it has none.
   * @returns undefined while there is none to be had: ask again.
   * @throws StaleFence
   */
  async sandbox(): Promise<SandboxGrant | undefined> {
    const response = await this.#send('/sandbox', json({ fence: this.#fence }), 0)
    if (response.status === 503) {
      await response.body?.cancel()
      return undefined
    }
    return sandbox.parse(await (await this.#ok(response)).json())
  }

  /**
   * Gives the session's sandbox up: it is ended.
   * @param reason - What went wrong; the API finds out itself whether the turn is to blame.
   * @returns how often this turn has ended its sandbox from within.
   * @throws StaleFence
   */
  async endSandbox(uid: string, reason: LossReason): Promise<number> {
    const { losses } = (await this.#post('/sandbox/end', { uid, reason })) as { losses: number }
    return losses
  }

  /** The newest event of the session and each of its descendants. */
  async heads(): Promise<Heads> {
    return heads.parse(await (await this.#ok(await this.#send('/heads', { method: 'GET' }))).json())
  }

  /**
   * Events of the session and its descendants, in order within each.
   * @param after - Positions by session; of sessions that are not named, all.
   */
  async history(after: Record<string, number> = {}): Promise<DurableEvent[]> {
    const response = await this.#ok(await this.#send('/history', json({ after })))
    return (await response.text())
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as DurableEvent)
  }

  /** Appends to the log and passes on what is not kept, in order. Safe to repeat. @throws StaleFence */
  async events(events: TurnEvent[]): Promise<void> {
    await this.#post('/events', { events })
  }

  /** The session's files as frames of a snapshot; undefined when there are none yet. */
  async workspace(): Promise<Response['body'] | undefined> {
    const response = await this.#send('/workspace', { method: 'GET' })
    return response.status === 204 || response.status === 404
      ? undefined
      : (await this.#ok(response)).body
  }

  /**
   * Stores a snapshot of the session's files.
   * @returns whether it is stored; false where it leaves out what only an older snapshot has
   * @throws TurnRefused past the size limit; StaleFence
   */
  async saveWorkspace(snapshot: AsyncIterable<Uint8Array>): Promise<boolean> {
    // A stream cannot be sent twice, so no retry here; a failure is a failed attempt of the turn.
    const response = await this.#send(
      '/workspace',
      {
        method: 'PUT',
        headers: {
          'content-type': 'application/octet-stream',
          'x-opencode-fence': this.#fence.toString(),
        },
        body: snapshot,
        duplex: 'half',
      },
      0,
    )
    if (response.status === 412) {
      await response.text()
      return false
    }
    if (response.status === 413) {
      const detail = problemDetail(await response.text())
      throw new TurnRefused(
        413,
        `The session's files were not saved: ${detail ?? 'they are past the size limit'}. ` +
          'The state before this turn is kept; delete what is not needed (build output, caches) and repeat the turn.',
      )
    }
    await (await this.#ok(response)).text()
    return true
  }

  /** Ends the turn. @throws StaleFence */
  async complete(completion: Completion): Promise<void> {
    await this.#post('/complete', completion)
  }

  async #post(path: string, body: object): Promise<unknown> {
    const response = await this.#send(path, json({ fence: this.#fence, ...body }))
    return (await this.#ok(response)).json()
  }

  /** Sends with retries on connection errors and 5xx: every call here is idempotent under its fence. */
  async #send(path: string, init: RequestInit, retries = 5): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      try {
        const headers = {
          ...this.#headers(),
          ...(init.headers as Record<string, string> | undefined),
          authorization: `Bearer ${this.#token}`,
        }
        const response = await fetch(this.#base + path, { ...init, headers, dispatcher: agent })
        if (response.status < 500 || attempt >= retries) return response
        await response.body?.cancel()
      } catch (error) {
        if (attempt >= retries) throw error
      }
      await sleep(Math.min(100 * 2 ** attempt, 3_000) * (0.5 + Math.random()))
    }
  }

  async #ok(response: Response): Promise<Response> {
    if (response.ok) return response
    const detail = problemDetail(await response.text())
    if (response.status === 409)
      throw new StaleFence(detail ?? 'a newer attempt has taken the turn')
    throw new Error(
      `the API answered ${response.status.toString()} to ${new URL(response.url).pathname}`,
    )
  }
}

function json(body: object): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
}

function problemDetail(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { detail?: string }
    return detail
  } catch {
    return undefined
  }
}
