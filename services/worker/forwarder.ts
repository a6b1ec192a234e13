import type { DurableEvent, TurnEvent } from '../protocol/events.ts'
import type { EngineFrame } from './sandbox.ts'
import { StaleFence } from './errors.ts'
import type { TurnApi } from './turn-api.ts'

/** Bus events that the engine also sends as durable ones; the API derives the bus form from the durable one. */
const durableTypes = new Set([
  'session.created',
  'session.updated',
  'session.deleted',
  'message.updated',
  'message.removed',
  'message.part.updated',
  'message.part.removed',
])

/** Bus events without a session that a client may still want. */
const sessionless = new Set([
  'file.edited',
  'file.watcher.updated',
  'vcs.branch.updated',
  'lsp.updated',
  'lsp.client.diagnostics',
])

/** Most events in one call. */
const BATCH = 200
/** Characters of JSON after which a call takes no more; one event may be larger. */
const BATCH_LENGTH = 2 ** 20

/**
 * Passes the engine's events to the API while the turn runs, in order, a batch at a time: what arrives during one call
 * goes with the next, so a fast engine makes larger batches, not more calls.
 */
export class Forwarder {
  readonly #api: TurnApi
  readonly #heads: Record<string, number>
  readonly #onDurable: (event: DurableEvent) => void
  #queue: TurnEvent[] = []
  #sending: Promise<void> | undefined
  #failure: Error | undefined

  /** @param heads - Last stored sequence by session; what is not past it is not sent again. */
  constructor(
    api: TurnApi,
    heads: Record<string, number>,
    onDurable: (event: DurableEvent) => void,
  ) {
    this.#api = api
    this.#heads = heads
    this.#onDurable = onDurable
  }

  /** Last sequence taken by session. */
  get heads(): Record<string, number> {
    return { ...this.#heads }
  }

  /** The first error of a call; everything after it is dropped. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Takes a frame of the engine's stream. @returns the event that it cannot take because one before it is missing */
  frame({ payload }: EngineFrame): DurableEvent | undefined {
    if (payload.type === 'sync' && payload.syncEvent)
      return this.durable(payload.syncEvent) ? undefined : payload.syncEvent
    if (durableTypes.has(payload.type) || payload.id === undefined) return undefined
    const properties = payload.properties ?? {}
    if (typeof properties['sessionID'] !== 'string' && !sessionless.has(payload.type))
      return undefined
    this.#push({ kind: 'passing', id: payload.id, type: payload.type, properties })
    return undefined
  }

  /** Takes a durable event; one already taken is ignored. @returns false when it is not the next one, and then it is not taken */
  durable({ id, aggregateID, seq, type, data }: DurableEvent): boolean {
    const head = this.#heads[aggregateID] ?? -1
    if (seq <= head) return true
    if (seq > head + 1) return false
    this.#heads[aggregateID] = seq
    const event = { id, aggregateID, seq, type, data }
    this.#onDurable(event)
    this.#push({ kind: 'durable', ...event })
    return true
  }

  /** Resolves when everything taken so far is stored. @throws the first error of a call, e.g. StaleFence */
  async flush(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending
    if (this.#failure !== undefined) throw this.#failure
  }

  #push(event: TurnEvent): void {
    if (this.#failure !== undefined) return
    this.#queue.push(event)
    this.#sending ??= this.#send()
  }

  #batch(): TurnEvent[] {
    let length = 0
    const full = this.#queue.findIndex((event, index) => {
      if (index === BATCH || length > BATCH_LENGTH) return true
      length += JSON.stringify(event).length
      return false
    })
    return this.#queue.splice(0, full === -1 ? this.#queue.length : full)
  }

  async #send(): Promise<void> {
    // A moment's wait lets the events of one burst travel together.
    await new Promise((done) => setTimeout(done, 5))
    try {
      while (this.#queue.length > 0) await this.#api.events(this.#batch())
    } catch (error) {
      this.#failure =
        error instanceof StaleFence
          ? error
          : new Error('events could not be stored', { cause: error })
      this.#queue = []
    } finally {
      this.#sending = undefined
    }
  }
}
