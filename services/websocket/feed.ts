import { setTimeout as sleep } from 'node:timers/promises'
import { channels, type PubSub } from '../runtime/redis.ts'
import { errorFields, type Logger } from '../runtime/logger.ts'
import type { Envelope, EventLog } from './event-log.ts'

/** Whoever gets a tenant's events. */
export interface Subscriber {
  deliver(envelope: Envelope): void
}

/** How often PostgreSQL is asked while Redis is away, milliseconds. */
const TICK = 1_000

/** Of how many ticks one asks PostgreSQL although Redis is there: a message that Redis lost must not stay lost. */
const SWEEP = 5

/** One tenant's events in order, without gaps or repetitions, for all connections of this process. */
export class Feed {
  readonly #tenant: string
  readonly #log: EventLog
  readonly #pubsub: PubSub
  readonly #logger: Logger
  readonly #subscribers = new Set<Subscriber>()
  #head = 0
  #opened: Promise<void> | undefined
  #reading: Promise<void> | undefined
  #readAgain = false
  #close: (() => Promise<void>)[] = []

  constructor(tenant: string, log: EventLog, pubsub: PubSub, logger: Logger) {
    this.#tenant = tenant
    this.#log = log
    this.#pubsub = pubsub
    this.#logger = logger
  }

  /** Position of the last event that was delivered. */
  get head(): number {
    return this.#head
  }

  get size(): number {
    return this.#subscribers.size
  }

  /** Subscribes first and reads the position then, so that no event falls between the two. */
  open(): Promise<void> {
    this.#opened ??= (async () => {
      const subscribed = this.#pubsub.subscribe(channels.events(this.#tenant), (message) => {
        this.#receive(message)
      })
      const forget = this.#pubsub.onReconnect(() => {
        void this.catchUp()
      })
      let ticks = 0
      const timer = setInterval(() => {
        if (++ticks % SWEEP === 0 || !this.#pubsub.connected) void this.catchUp()
      }, TICK).unref()
      this.#close = [
        async () => (await subscribed)(),
        () => {
          forget()
          clearInterval(timer)
          return Promise.resolve()
        },
      ]
      // While Redis is away the subscription waits for it; clients need not: the ticks read PostgreSQL.
      subscribed.catch(() => undefined)
      if (this.#pubsub.connected) await subscribed
      this.#head = Math.max(this.#head, await this.#log.head(this.#tenant))
    })()
    return this.#opened
  }

  add(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber)
  }

  remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber)
  }

  async close(): Promise<void> {
    this.#subscribers.clear()
    await this.#opened?.catch(() => undefined)
    const ended = Promise.all(this.#close.map((end) => end().catch(() => undefined)))
    if (this.#pubsub.connected) await ended
  }

  /** Reads what PostgreSQL has beyond the position. Calls during a reading make one more reading, not many. */
  catchUp(): Promise<void> {
    this.#readAgain = true
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  #receive(message: string): void {
    let envelope: Envelope
    try {
      envelope = JSON.parse(message) as Envelope
    } catch {
      this.#logger.warn({ tenant: this.#tenant }, 'a message on the event channel is not JSON')
      return
    }
    const { seq } = envelope
    if (seq === null) this.#deliver(envelope)
    else if (seq === this.#head + 1 && this.#reading === undefined) {
      this.#head = seq
      this.#deliver(envelope)
    } else if (seq > this.#head) void this.catchUp()
  }

  async #read(): Promise<void> {
    while (this.#readAgain) {
      this.#readAgain = false
      try {
        let page: Envelope[]
        do {
          page = await this.#log.after(this.#tenant, this.#head)
          for (const envelope of page) {
            this.#head = envelope.seq ?? this.#head
            this.#deliver(envelope)
          }
        } while (page.length > 0)
      } catch (error) {
        this.#logger.warn(
          { tenant: this.#tenant, ...errorFields(error) },
          'the event log cannot be read; trying again',
        )
        await sleep(500)
        this.#readAgain = this.#subscribers.size > 0
      }
    }
  }

  #deliver(envelope: Envelope): void {
    for (const subscriber of this.#subscribers) subscriber.deliver(envelope)
  }
}

/** The feeds of the tenants that are connected to this process. */
export class Feeds {
  readonly #feeds = new Map<string, Feed>()
  readonly #make: (tenant: string) => Feed

  constructor(log: EventLog, pubsub: PubSub, logger: Logger) {
    this.#make = (tenant) => new Feed(tenant, log, pubsub, logger)
  }

  /** The tenant's feed with this subscriber on it, open. */
  async join(tenant: string, subscriber: Subscriber): Promise<Feed> {
    const feed = this.#feeds.get(tenant) ?? this.#make(tenant)
    this.#feeds.set(tenant, feed)
    feed.add(subscriber)
    try {
      await feed.open()
    } catch (error) {
      // The next one tries with a new feed; those who wait for this one fail with it.
      if (this.#feeds.get(tenant) === feed) this.#feeds.delete(tenant)
      await feed.close()
      throw error
    }
    return feed
  }

  async leave(tenant: string, subscriber: Subscriber): Promise<void> {
    const feed = this.#feeds.get(tenant)
    feed?.remove(subscriber)
    if (feed === undefined || feed.size > 0) return
    this.#feeds.delete(tenant)
    await feed.close()
  }

  async close(): Promise<void> {
    const feeds = [...this.#feeds.values()]
    this.#feeds.clear()
    await Promise.all(feeds.map((feed) => feed.close()))
  }
}
