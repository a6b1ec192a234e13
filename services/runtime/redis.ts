import { Cluster, Redis } from 'ioredis'

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

/**
 * Opens a connection.
 * @param url - `redis://[:password@]host:port`; in cluster mode several, separated by commas.
 * @param options.wait - Commands wait for Redis to come back (queues, subscriptions) instead of failing. @default true
 */
export function connectRedis(url: string, mode: RedisMode = 'single', { wait = true }: { wait?: boolean } = {}): RedisClient {
  const common = {
    maxRetriesPerRequest: wait ? null : 1, enableReadyCheck: true, enableOfflineQueue: wait, connectTimeout: 5_000,
    // A node that is gone may not even refuse: no answer in time is a failure too.
    ...(wait ? {} : { commandTimeout: 1_000 }),
  }
  const retry = (times: number) => Math.min(100 * times, 2_000)
  if (mode === 'single') return new Redis(url, { ...common, retryStrategy: retry })
  const nodes = url.split(',').map((node) => new URL(node.trim()))
  const password = decodeURIComponent(nodes[0]?.password ?? '')
  return new Cluster(nodes.map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6379) })), {
    clusterRetryStrategy: retry,
    // Its own option: the one of the nodes' connections does not reach commands that wait for the cluster.
    enableOfflineQueue: wait,
    redisOptions: { ...common, ...(password === '' ? {} : { password }) },
  })
}

/** Listener of a channel. */
export type Listener = (message: string) => void

/**
 * Pub/sub over two connections, many listeners a channel. Not sharded in cluster mode either: the client's sharded subscribers never
 * come back after all nodes have got new addresses at once ("No sharded subscriber for slot").
 */
export class PubSub {
  readonly #publisher: RedisClient
  readonly #subscriber: RedisClient
  readonly #listeners = new Map<string, Set<Listener>>()

  /** @param subscriber - A connection that is used for nothing else. */
  constructor(publisher: RedisClient, subscriber: RedisClient) {
    this.#publisher = publisher
    this.#subscriber = subscriber
    const deliver = (channel: string, message: string) => { for (const listener of this.#listeners.get(channel) ?? []) listener(message) }
    subscriber.on('message', deliver)
  }

  /** Whether messages arrive now. What was sent while they did not is lost: read it from PostgreSQL. */
  get connected(): boolean {
    return this.#subscriber.status === 'ready'
  }

  /** Called when the subscriber's connection is back: messages may have been missed. */
  onReconnect(listener: () => void): () => void {
    this.#subscriber.on('ready', listener)
    return () => { this.#subscriber.off('ready', listener) }
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
