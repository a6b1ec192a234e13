import { Cluster, Redis } from 'ioredis'
import { redisTarget } from './store-url.ts'

/** One server, or a cluster of them. */
export type RedisMode = 'single' | 'cluster'
/** A connection of either kind. */
export type RedisClient = Redis | Cluster

/** Everything this project keeps in Redis has this hash tag, so that it lives in one slot of a cluster. */
export const keyPrefix = '{opencode}'

/** Names of the channels between the processes. */
export const channels = {
  /** Events of a tenant's sessions, for its clients. */
  events: (tenant: string) => `${keyPrefix}:events:${tenant}`,
  /** Commands for the worker that runs a turn. */
  commands: (turnID: string) => `${keyPrefix}:commands:${turnID}`,
  /** A worker's answer to one command. */
  replies: (commandID: string) => `${keyPrefix}:replies:${commandID}`,
  /** Ends of turns, for the requests that wait for them. */
  turns: `${keyPrefix}:turns-done`,
}

/** As long as a node may be silent before its connection counts as lost, ms; a node without power refuses nothing. */
const KEEP_ALIVE = 10_000
const CONNECT_TIMEOUT = 5_000
/** How often a cluster is asked who serves what, so that a connection to a node without power is left, ms. */
const SLOTS_REFRESH = 5_000

/** A cluster client that is closed for longer than this, and neither ended nor on its way back, is told to connect, ms. */
const CLOSED = 1_000

/**
 * Makes a cluster client, and the copies that are made of it, come back. By itself it stays closed for good when it is told to connect
 * while its nodes are still closing, as BullMQ tells the copy that waits for jobs: that worker would never hear of a turn again.
 */
function steady(cluster: Cluster): Cluster {
  cluster.on('close', () => {
    setTimeout(() => {
      if (cluster.status === 'close') cluster.connect().catch(() => undefined)
    }, CLOSED).unref()
  })
  const duplicate = cluster.duplicate.bind(cluster)
  cluster.duplicate = ((...args: Parameters<typeof duplicate>) =>
    steady(duplicate(...args))) as typeof duplicate
  return cluster
}

/** Pause before the next attempt to connect, ms. */
const retry = (times: number): number => Math.min(100 * times, 2_000)

/**
 * Opens a connection.
 * @param url - As {@link redisTarget} reads it; in cluster mode several, separated by commas.
 * @param options.wait - Commands wait for Redis to come back (queues) instead of failing. @default true
 */
export function connectRedis(
  url: string,
  mode: RedisMode = 'single',
  { wait = true }: { wait?: boolean } = {},
): RedisClient {
  const common = {
    maxRetriesPerRequest: wait ? null : 1,
    enableReadyCheck: true,
    enableOfflineQueue: wait,
    connectTimeout: CONNECT_TIMEOUT,
    keepAlive: KEEP_ALIVE,
    // A node that is gone may not even refuse: no answer in time is a failure too.
    ...(wait ? {} : { commandTimeout: 1_000 }),
  }
  const { nodes, options } = redisTarget('REDIS_URL', url, mode)
  if (mode === 'single')
    return new Redis({ ...nodes[0], ...options, ...common, retryStrategy: retry })
  return steady(
    new Cluster([...nodes], {
      // A certificate holds names: an address that was looked up would not match it.
      ...(options.tls
        ? {
            dnsLookup: (host, found) => {
              found(null, host)
            },
          }
        : {}),
      clusterRetryStrategy: retry,
      slotsRefreshInterval: SLOTS_REFRESH,
      // Its own option: the one of the nodes' connections does not reach commands that wait for the cluster.
      enableOfflineQueue: wait,
      // A delayed command waits until every node has been asked for its slots, a second for each that is gone.
      ...(wait ? {} : { retryDelayOnFailover: 0, retryDelayOnClusterDown: 0 }),
      redisOptions: { ...common, ...options },
    }),
  )
}

/**
 * Opens a connection for subscriptions, which come back with it. In a cluster too it is one to a single node, which hears what is
 * published on any: the cluster client's own subscriber may never answer again after all nodes have got new addresses at once.
 */
export function connectSubscriber(url: string): Redis {
  const { nodes, options } = redisTarget('REDIS_URL', url)
  const redis: Redis = new Redis({
    ...nodes[0],
    ...options,
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT_TIMEOUT,
    keepAlive: KEEP_ALIVE,
    retryStrategy: (times) => {
      Object.assign(redis.options, nodes[times % nodes.length])
      return retry(times)
    },
  })
  return redis
}

/** Listener of a channel. */
export type Listener = (message: string) => void

/** Pub/sub over two connections, many listeners a channel. */
export class PubSub {
  readonly #publisher: RedisClient
  readonly #subscriber: RedisClient
  readonly #listeners = new Map<string, Set<Listener>>()
  #failed = false

  /**
   * @param subscriber - Of {@link connectSubscriber}, used for nothing else.
   * @param onError - Gets the first message that no listener understood. Such a message ends nothing: anyone may publish.
   */
  constructor(
    publisher: RedisClient,
    subscriber: RedisClient,
    onError: (error: unknown) => void = () => undefined,
  ) {
    this.#publisher = publisher
    this.#subscriber = subscriber
    const deliver = (channel: string, message: string) => {
      for (const listener of this.#listeners.get(channel) ?? []) {
        try {
          listener(message)
        } catch (error) {
          if (!this.#failed)
            onError(new Error(`a message on ${channel} is unusable`, { cause: error }))
          this.#failed = true
        }
      }
    }
    subscriber.on('message', deliver)
  }

  /** Whether messages arrive now. What was sent while they did not is lost: read it from PostgreSQL. */
  get connected(): boolean {
    return this.#subscriber.status === 'ready'
  }

  /** Called when the subscriber's connection is back: messages may have been missed. */
  onReconnect(listener: () => void): () => void {
    this.#subscriber.on('ready', listener)
    return () => {
      this.#subscriber.off('ready', listener)
    }
  }

  /** @returns a function that ends the subscription. */
  async subscribe(channel: string, listener: Listener): Promise<() => Promise<void>> {
    const known = this.#listeners.get(channel)
    if (known) known.add(listener)
    else {
      this.#listeners.set(channel, new Set([listener]))
      try {
        await this.#subscriber.subscribe(channel)
      } catch (error) {
        // The next one must ask again.
        this.#listeners.delete(channel)
        throw error
      }
    }
    return async () => {
      const listeners = this.#listeners.get(channel)
      if (listeners?.delete(listener) !== true || listeners.size > 0) return
      this.#listeners.delete(channel)
      await this.#subscriber.unsubscribe(channel)
    }
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#publisher.publish(channel, message)
  }
}
