import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible'
import { keyPrefix, type RedisClient } from '../../runtime/redis.ts'

/** How long Redis is left alone once it has not answered, ms: each request that asks a server that is gone waits for a second. */
const REST = 2_000

/** Counts tenants' requests in Redis, for all processes together. While Redis is away each process counts for itself. */
export class TenantLimiter {
  readonly #shared: RateLimiterRedis
  readonly #own: RateLimiterMemory
  /** Until when Redis is left alone, ms since the epoch; 0 while it answers. */
  #restsUntil = 0

  /** @param points - Requests a minute for each tenant. */
  constructor(redis: RedisClient, points: number) {
    const limits = { points, duration: 60 }
    this.#shared = new RateLimiterRedis({
      ...limits,
      storeClient: redis,
      keyPrefix: `${keyPrefix}:rate`,
      rejectIfRedisNotReady: true,
    })
    this.#own = new RateLimiterMemory({ ...limits, keyPrefix: 'rate' })
  }

  /**
   * Counts one request.
   * @throws RateLimiterRes, with the time to wait in ms, when the tenant has none left.
   */
  async consume(tenant: string): Promise<void> {
    const now = Date.now()
    if (now >= this.#restsUntil) {
      // One request finds out whether it is back; those beside it do not wait.
      if (this.#restsUntil > 0) this.#restsUntil = now + REST
      try {
        await this.#shared.consume(tenant)
        this.#restsUntil = 0
        return
      } catch (failure) {
        // A refusal is an answer too.
        if (!(failure instanceof Error)) {
          this.#restsUntil = 0
          throw failure
        }
        this.#restsUntil = Date.now() + REST
      }
    }
    await this.#own.consume(tenant)
  }
}
