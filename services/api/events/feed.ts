import { isShown, shownProperties } from '../../protocol/clients.ts'
import type { Database } from '../../runtime/database/index.ts'
import { channels, type PubSub } from '../../runtime/redis.ts'
import { page } from '../../runtime/event-page.ts'
import type { Positions } from './positions.ts'

/** An event as clients see it. */
export interface ClientEvent {
  id: string
  type: string
  properties: Record<string, unknown>
}

/** An event on its way to a tenant's clients. */
export interface FeedItem {
  /** Place in the tenant's order; null for an event that lives only on the wire. */
  seq: number | null
  event: ClientEvent
  directory: string
  /** No client gets it: it is of a deleted session, or of a type for the engine alone. */
  hidden?: boolean
}

/** Takes items in order; durable ones without gaps or repetitions. */
export type FeedListener = (item: FeedItem) => void

interface EventRow {
  tenant_seq: string
  event_id: string
  type: string
  /** Null where it is hidden. */
  data: Record<string, unknown> | null
  directory: string
}

/** The tenant's durable events after `after`, a page of them; none at the end. */
export async function eventsAfter(
  database: Database,
  tenant: string,
  after: number,
): Promise<FeedItem[]> {
  const { rows } = await database.query<EventRow>(
    `SELECT e.tenant_seq, e.event_id, e.type, s.directory,
       CASE WHEN s.deleted_at IS NULL OR e.type LIKE 'session.deleted.%' THEN e.data END AS data
     FROM ${page('WHERE tenant = $1 AND tenant_seq > $2', 'tenant_seq')} e
     JOIN sessions s ON s.id = e.session_id ORDER BY e.tenant_seq`,
    [tenant, after],
    { read: 'primary' },
  )
  return rows.map((row) => ({
    seq: Number(row.tenant_seq),
    event: {
      id: row.event_id,
      type: busType(row.type),
      properties: shownProperties(row.type, row.data ?? {}),
    },
    directory: row.directory,
    hidden: row.data === null || !isShown(row.type),
  }))
}

/** The tenant's newest place; 0 when nothing has happened yet. */
export async function headOf(database: Database, tenant: string): Promise<number> {
  const { rows } = await database.query<{ head_seq: string }>(
    'SELECT head_seq FROM tenants WHERE id = $1',
    [tenant],
    { read: 'primary' },
  )
  return Number(rows[0]?.head_seq ?? 0)
}

/** The name clients know an event by: durable types carry the version of their form at the end. */
export function busType(type: string): string {
  return type.replace(/\.\d+$/, '')
}

/** Tells a tenant's clients. What does not arrive is read from PostgreSQL, so failures are left to the log. */
export async function publish(
  pubsub: PubSub,
  tenant: string,
  items: readonly FeedItem[],
): Promise<void> {
  await Promise.all(
    items.map((item) => pubsub.publish(channels.events(tenant), JSON.stringify(item))),
  )
}

/** One tenant's events in this process: one subscription, any number of listeners. */
class TenantFeed {
  readonly listeners = new Set<FeedListener>()
  readonly #database: Database
  readonly #tenant: string
  readonly #onError: (error: unknown) => void
  readonly #onMoved: (last: number) => void
  #last = -1
  #queue: FeedItem[] = []
  #reading = false
  #again = false

  constructor(
    database: Database,
    tenant: string,
    { onError, onMoved }: { onError: (error: unknown) => void; onMoved: (last: number) => void },
  ) {
    this.#database = database
    this.#tenant = tenant
    this.#onError = onError
    this.#onMoved = onMoved
  }

  get last(): number {
    return this.#last
  }

  async start(): Promise<void> {
    this.#last = await headOf(this.#database, this.#tenant)
    const early = this.#queue
    this.#queue = []
    for (const item of early) this.take(item)
    this.#onMoved(this.#last)
  }

  /** A message has come in. */
  take(item: FeedItem): void {
    if (this.#last < 0 || this.#reading) this.#queue.push(item)
    else if (item.seq === null) this.#deliver(item)
    else if (item.seq === this.#last + 1) {
      this.#last = item.seq
      this.#deliver(item)
    } else if (item.seq > this.#last) {
      this.#queue.push(item)
      this.catchUp()
    }
  }

  /** Reads what was missed; called on gaps and when messages may have been lost. */
  catchUp(): void {
    if (this.#last < 0) return
    if (this.#reading) {
      this.#again = true
      return
    }
    this.#reading = true
    this.#read()
      .catch(this.#onError)
      .finally(() => {
        this.#reading = false
        const waiting = this.#queue
        this.#queue = []
        for (const item of waiting) {
          // What is still ahead of a gap comes with the next look, not in a loop that the database's failure would spin.
          if (item.seq === null || item.seq === this.#last + 1) this.take(item)
        }
        if (this.#again) {
          this.#again = false
          this.catchUp()
        }
      })
  }

  async #read(): Promise<void> {
    for (;;) {
      const page = await eventsAfter(this.#database, this.#tenant, this.#last)
      for (const item of page) {
        // Commits become visible in the order of their numbers: the tenant's row is locked from numbering to commit.
        this.#last = item.seq ?? this.#last
        this.#deliver(item)
      }
      if (page.length === 0) return
    }
  }

  #deliver(item: FeedItem): void {
    if (item.hidden !== true) for (const listener of this.listeners) listener(item)
    if (item.seq !== null) this.#onMoved(item.seq)
  }
}

/** Says how far the tenant's log goes, where a process may have missed the events themselves. */
interface Reminder {
  head: number
}

/** A listener's place in a feed. */
export interface Subscription {
  /** The newest durable event before the first that the listener gets. */
  readonly head: number
  /** Ends it. */
  close(): void
}

/** Events of all tenants that have listeners in this process. */
export class Feeds {
  readonly #database: Database
  readonly #pubsub: PubSub
  readonly #positions: Positions
  readonly #onError: (error: unknown) => void
  readonly #feeds = new Map<string, { feed: TenantFeed; ready: Promise<() => Promise<void>> }>()
  readonly #timer: NodeJS.Timeout
  readonly #offReconnect: () => void

  /** @param onError - Told of reads and subscriptions that failed; they are tried again. */
  constructor(
    database: Database,
    pubsub: PubSub,
    positions: Positions,
    onError: (error: unknown) => void,
  ) {
    this.#database = database
    this.#pubsub = pubsub
    this.#positions = positions
    this.#onError = onError
    this.#offReconnect = pubsub.onReconnect(() => {
      this.#catchUp()
    })
    // The safety net under pub/sub, which delivers at most once: often while Redis is away, seldom while it is there.
    let ticks = 0
    this.#timer = setInterval(() => {
      ticks += 1
      if (!pubsub.connected || ticks % 5 === 0) this.#catchUp()
      if (ticks % 2 === 0)
        for (const [tenant, { feed }] of this.#feeds)
          if (feed.last >= 0) positions.moved(tenant, feed.last)
    }, 1_000).unref()
  }

  /**
   * Adds a listener. Durable items come in order, each once, beginning after {@link Subscription.head}.
   * To go back further, replay with {@link eventsAfter} up to `head` while keeping what comes in.
   */
  async subscribe(tenant: string, listener: FeedListener): Promise<Subscription> {
    let entry = this.#feeds.get(tenant)
    if (entry === undefined) {
      // Once nobody listens any more, nobody waits for it either.
      const onMoved = (last: number) => {
        if (this.#feeds.get(tenant)?.feed === feed) this.#positions.moved(tenant, last)
      }
      const feed = new TenantFeed(this.#database, tenant, { onError: this.#onError, onMoved })
      entry = { feed, ready: this.#open(tenant, feed) }
      this.#feeds.set(tenant, entry)
    }
    const { feed, ready } = entry
    const placeholder: FeedListener = () => undefined
    feed.listeners.add(placeholder)
    try {
      await ready
    } catch (error) {
      if (this.#feeds.get(tenant) === entry) this.#feeds.delete(tenant)
      throw error
    }
    feed.listeners.delete(placeholder)
    feed.listeners.add(listener)
    return {
      head: feed.last,
      close: () => {
        this.#leave(tenant, listener)
      },
    }
  }

  /**
   * Waits, a few seconds at most, until everything that has happened so far is on the streams of all the tenant's clients, whichever
   * process they are at. `opencode run` ends with the answer to its request: what is not on its stream by then, it never shows.
   */
  async passedOn(tenant: string, signal?: AbortSignal): Promise<void> {
    try {
      const head = await headOf(this.#database, tenant)
      const reminder = JSON.stringify({ head } satisfies Reminder)
      const remind = () => {
        this.#pubsub.publish(channels.events(tenant), reminder).catch(this.#onError)
      }
      await this.#positions.reached(tenant, head, remind, signal)
    } catch (error) {
      // The answer itself is there, and worth more.
      this.#onError(error)
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#offReconnect()
  }

  async #open(tenant: string, feed: TenantFeed): Promise<() => Promise<void>> {
    const listener = (message: string) => {
      const said = JSON.parse(message) as FeedItem | Reminder
      if (!('head' in said)) feed.take(said)
      else if (said.head > feed.last) feed.catchUp()
    }
    // Redis may be away: the subscription is made when it is back, the timer reads PostgreSQL until then.
    const subscribed = this.#pubsub.subscribe(channels.events(tenant), listener)
    subscribed.catch(this.#onError)
    const unsubscribe = async () => {
      await (
        await subscribed
      )()
    }
    try {
      await feed.start()
    } catch (error) {
      // Nobody would ever take from this feed again.
      void unsubscribe().catch(this.#onError)
      throw error
    }
    return unsubscribe
  }

  #leave(tenant: string, listener: FeedListener): void {
    const entry = this.#feeds.get(tenant)
    if (entry?.feed.listeners.delete(listener) !== true || entry.feed.listeners.size > 0) return
    this.#feeds.delete(tenant)
    this.#positions.left(tenant)
    void entry.ready.then((unsubscribe) => unsubscribe()).catch(this.#onError)
  }

  #catchUp(): void {
    for (const { feed } of this.#feeds.values()) feed.catchUp()
  }
}
