import type { RawData, WebSocket } from 'ws'
import type { Identity } from '../runtime/people/identity.ts'
import { Problem } from '../runtime/problem.ts'
import { callSchema, type ApiClient, type Call } from './api-client.ts'
import type { Envelope, EventLog } from './event-log.ts'
import type { Feed } from './feed.ts'

/** Codes a connection is closed with. @see https://www.rfc-editor.org/rfc/rfc6455#section-7.4 */
export const closeCodes = {
  goingAway: 1001,
  restart: 1012,
  tooSlow: 1013,
  unavailable: 1011,
  expired: 4401,
} as const

/** Bounds of one connection. */
export interface ConnectionLimits {
  /** Bytes that may wait for a client to read them. @default 1 MiB */
  readonly maxBufferedBytes: number
  /** Calls that may be under way at once. @default 16 */
  readonly maxCalls: number
  /** Between pings, milliseconds; a client that answers none until the next is gone. @default 15000 */
  readonly pingIntervalMs: number
}

/** What a {@link Connection} is made of. */
export interface ConnectionOptions {
  readonly socket: WebSocket
  readonly identity: Identity
  /** Headers that say to the API who calls. */
  readonly credential: Readonly<Record<string, string>>
  readonly log: EventLog
  readonly api: ApiClient
  readonly limits: ConnectionLimits
  /** Only events of this directory. */
  readonly directory: string | undefined
}

const longestTimer = 2 ** 31 - 1

/** One client: events go out, calls come in. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #calls = new Map<string, AbortController>()
  readonly #timers: NodeJS.Timeout[] = []
  #sent = 0
  #live = false
  #answered = true

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { socket, limits, identity } = options
    socket.on('message', (data, binary) => {
      this.#receive(data, binary)
    })
    socket.on('pong', () => {
      this.#answered = true
    })
    socket.once('close', () => {
      this.#end()
    })
    socket.on('error', () => {
      socket.terminate()
    })
    this.#timers.push(
      setInterval(() => {
        this.#ping()
      }, limits.pingIntervalMs),
    )
    if (identity.expires !== undefined) {
      const left = Math.max(0, identity.expires * 1000 - Date.now())
      const close = (): void => {
        this.close(closeCodes.expired, { error: 'the token has expired; reconnect with a new one' })
      }
      this.#timers.push(setTimeout(close, Math.min(left, longestTimer)))
    }
  }

  get identity(): Identity {
    return this.#options.identity
  }

  get busy(): boolean {
    return this.#calls.size > 0
  }

  /** Sends what the client has missed since `after`, then goes on with the feed. Without `after` it begins now. */
  async start(feed: Feed, after: number | undefined): Promise<void> {
    const { log, identity } = this.#options
    this.#sent = Math.min(after ?? feed.head, feed.head)
    this.#write({ seq: this.#sent, event: { type: 'server.connected', properties: {} } })
    while (this.#open && this.#sent < feed.head) {
      const page = await log.after(identity.tenant, this.#sent)
      if (page.length === 0) break
      // One by one: a page of large events is more than a connection may have waiting.
      for (const envelope of page) {
        await this.#drained()
        this.#send(envelope)
      }
    }
    // No await between the last comparison and this line: the feed cannot have moved in between.
    this.#live = true
  }

  /** From the feed. What comes while the past is being sent is either part of that past or not kept at all. */
  deliver(envelope: Envelope): void {
    if (this.#live) this.#send(envelope)
  }

  /** A notice that is no event of a session. */
  notify(type: string, properties: Record<string, unknown>): void {
    this.#write({ seq: null, event: { type, properties } })
  }

  /** The reason is JSON of at most 123 bytes and always says where to resume. */
  close(code: number, reason: Record<string, unknown>): void {
    const { socket } = this.#options
    if (!this.#open) return
    socket.close(code, JSON.stringify({ ...reason, after: this.#sent }))
    // Who does not answer the close is cut off. A slow reader has the 30 s of ws: the close is behind what it has not read yet.
    if (code !== closeCodes.tooSlow)
      setTimeout(() => {
        socket.terminate()
      }, 2_000).unref()
  }

  get #open(): boolean {
    return this.#options.socket.readyState === this.#options.socket.OPEN
  }

  #send(envelope: Envelope): void {
    const { seq } = envelope
    if (seq !== null && seq <= this.#sent) return
    const { directory } = this.#options
    const isWanted =
      directory === undefined ||
      envelope.directory === undefined ||
      envelope.directory === directory
    if (isWanted && envelope.hidden !== true) this.#write(envelope)
    if (seq !== null && this.#open) this.#sent = seq
  }

  #write(message: object): void {
    const { socket, limits } = this.#options
    if (!this.#open) return
    if (socket.bufferedAmount > limits.maxBufferedBytes) {
      this.close(closeCodes.tooSlow, { error: 'too slow; reconnect and resume' })
      return
    }
    socket.send(JSON.stringify(message))
  }

  /** Waits until the client has read most of what it was sent. */
  async #drained(): Promise<void> {
    const { socket, limits } = this.#options
    const deadline = Date.now() + 2 * limits.pingIntervalMs
    while (this.#open && socket.bufferedAmount > limits.maxBufferedBytes / 2) {
      if (Date.now() > deadline) {
        this.close(closeCodes.tooSlow, { error: 'too slow; reconnect and resume' })
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  #ping(): void {
    const { socket } = this.#options
    if (!this.#answered) {
      socket.terminate()
      return
    }
    this.#answered = false
    if (this.#open) socket.ping()
  }

  #receive(data: RawData, binary: boolean): void {
    let id: string | null = null
    try {
      if (binary) throw new Problem(400, 'send JSON text, not binary messages')
      const parsed = parse(data)
      id =
        typeof parsed === 'object' &&
        parsed !== null &&
        'id' in parsed &&
        typeof parsed.id === 'string'
          ? parsed.id
          : null
      const call = callSchema.safeParse(parsed)
      if (!call.success) {
        throw new Problem(
          400,
          `not a call: ${call.error.issues.map((issue) => `${issue.path.join('.') || 'message'}: ${issue.message}`).join('; ')}`,
        )
      }
      if (this.#calls.has(call.data.id))
        throw new Problem(
          409,
          `the call "${call.data.id.slice(0, 64)}" is still under way; choose another id`,
        )
      const { maxCalls } = this.#options.limits
      if (this.#calls.size >= maxCalls)
        throw new Problem(429, `more than ${maxCalls.toString()} calls at once; wait for an answer`)
      void this.#call(call.data)
    } catch (error) {
      this.#fail(id, error)
    }
  }

  async #call(call: Call): Promise<void> {
    const stop = new AbortController()
    this.#calls.set(call.id, stop)
    try {
      const { status, body } = await this.#options.api.call(
        call,
        this.#options.credential,
        stop.signal,
      )
      this.#write({ reply: call.id, status, body })
    } catch (error) {
      if (!stop.signal.aborted) this.#fail(call.id, error)
    } finally {
      this.#calls.delete(call.id)
    }
  }

  #fail(id: string | null, error: unknown): void {
    const problem =
      error instanceof Problem
        ? error
        : new Problem(502, 'the API cannot be reached now; try again')
    this.#write({ reply: id?.slice(0, 64) ?? null, status: problem.status, body: problem.toJSON() })
  }

  #end(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const stop of this.#calls.values()) stop.abort()
  }
}

function parse(data: RawData): unknown {
  try {
    // ws gives a Buffer unless told otherwise.
    return JSON.parse((data as Buffer).toString('utf8')) as unknown
  } catch {
    throw new Problem(400, 'the message is not JSON')
  }
}
