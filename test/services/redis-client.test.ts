import { describe, expect, it } from 'vitest'
import { connectRedis, type RedisMode } from '../../services/runtime/redis.ts'

describe('a client that does not wait for Redis', () => {
  it.each<RedisMode>(['single', 'cluster'])('refuses a command where no %s server is in reach, instead of keeping it', async (mode) => {
    const redis = connectRedis('redis://127.0.0.1:1', mode, { wait: false })
    redis.on('error', () => undefined)
    try {
      await expect(redis.get('key')).rejects.toThrow()
    } finally {
      redis.disconnect()
    }
  })
})
