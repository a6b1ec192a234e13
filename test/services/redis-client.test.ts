import type { Cluster } from 'ioredis'
import { describe, expect, it } from 'vitest'
import {
  connectRedis,
  connectSubscriber,
  PubSub,
  type RedisMode,
} from '../../services/runtime/redis.ts'
import { onNode, startRedisCluster } from './support/redis-cluster.ts'
import { until } from './support/until.ts'

describe('a client that does not wait for Redis', () => {
  it.each<RedisMode>(['single', 'cluster'])(
    'refuses a command where no %s server is in reach, instead of keeping it',
    async (mode) => {
      const redis = connectRedis('redis://127.0.0.1:1', mode, { wait: false })
      redis.on('error', () => undefined)
      try {
        await expect(redis.get('key')).rejects.toThrow()
      } finally {
        redis.disconnect()
      }
    },
  )
})

describe('subscriptions in a cluster', () => {
  it('GIVEN a channel WHEN the node that serves it dies THEN another node brings its messages, and the subscription can be ended', async () => {
    const redis = await startRedisCluster()
    const [first = 0, second = 0] = redis.ports
    const subscriber = connectSubscriber(redis.url)
    subscriber.on('error', () => undefined)
    const pubsub = new PubSub(subscriber, subscriber)
    try {
      const heard: string[] = []
      const unsubscribe = await pubsub.subscribe('channel', (message) => {
        heard.push(message)
      })
      await onNode(first, (node) => node.shutdown('NOSAVE')).catch(() => undefined)
      await until(
        async () => {
          await onNode(second, (node) => node.publish('channel', 'after'))
          return heard.length > 0
        },
        30_000,
        'a message',
      )
      await unsubscribe()
      expect(heard[0]).toBe('after')
    } finally {
      subscriber.disconnect()
      await redis.stop()
    }
  })
})

describe('a client of a cluster', () => {
  it('GIVEN a copy of it WHEN told to connect while it is still closing THEN it comes back', async () => {
    const redis = await startRedisCluster()
    // Names, as these are looked up with every new attempt.
    const client = connectRedis(redis.url.replaceAll('127.0.0.1', 'localhost'), 'cluster')
    // As BullMQ makes the connection on which it waits for jobs.
    const copy = (client as Cluster).duplicate()
    for (const one of [client, copy]) one.on('error', () => undefined)
    try {
      expect(await copy.set('key', 'value')).toBe('OK')
      // By the time a name is found, the nodes have closed.
      copy.options.dnsLookup = (_host, found) => {
        setTimeout(() => {
          found(null, '127.0.0.1', 4)
        }, 100)
      }
      // As BullMQ brings it back after a command that failed.
      copy.disconnect()
      await expect(copy.connect()).rejects.toThrow('Connection is aborted')
      await until(() => Promise.resolve(copy.status === 'ready'), 30_000, 'the copy to be back')
      expect(await copy.get('key')).toBe('value')
    } finally {
      client.disconnect()
      copy.disconnect()
      await redis.stop()
    }
  })
})
