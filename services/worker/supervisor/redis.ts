import { Cluster, Redis } from 'ioredis'
import type { PubSub } from './commands.ts'

/** Opens a connection for BullMQ or pub/sub: one that waits for Redis to come back instead of failing commands. */
export function connectRedis(url: string, mode: 'single' | 'cluster'): Redis | Cluster {
  const common = { maxRetriesPerRequest: null, enableReadyCheck: true }
  const retry = (times: number) => Math.min(100 * times, 2_000)
  if (mode === 'single') return new Redis(url, { ...common, retryStrategy: retry })
  const nodes = url.split(',').map((node) => new URL(node))
  const password = decodeURIComponent(nodes[0]?.password ?? '')
  return new Cluster(nodes.map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6379) })), {
    clusterRetryStrategy: retry,
    shardedSubscribers: true,
    redisOptions: { ...common, ...(password === '' ? {} : { password }) },
  })
}

/** Pub/sub over two connections; sharded in cluster mode, so that a message stays on the channel's node. */
export class RedisPubSub implements PubSub {
  readonly #publisher: Redis | Cluster
  readonly #subscriber: Redis | Cluster
  readonly #sharded: boolean
  readonly #listeners = new Map<string, (message: string) => void>()

  constructor(publisher: Redis | Cluster, subscriber: Redis | Cluster, mode: 'single' | 'cluster') {
    this.#publisher = publisher
    this.#subscriber = subscriber
    this.#sharded = mode === 'cluster'
    const deliver = (channel: string, message: string) => this.#listeners.get(channel)?.(message)
    subscriber.on('message', deliver)
    subscriber.on('smessage', deliver)
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>> {
    this.#listeners.set(channel, listener)
    await (this.#sharded ? this.#subscriber.ssubscribe(channel) : this.#subscriber.subscribe(channel))
    return async () => {
      this.#listeners.delete(channel)
      await (this.#sharded ? this.#subscriber.sunsubscribe(channel) : this.#subscriber.unsubscribe(channel))
    }
  }

  async publish(channel: string, message: string): Promise<void> {
    await (this.#sharded ? this.#publisher.spublish(channel, message) : this.#publisher.publish(channel, message))
  }
}
