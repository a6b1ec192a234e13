import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible'
import { keyPrefix, type RedisClient } from '../../runtime/redis.ts'

/** How long Redis is left alone once it has not answered, ms: each request that asks a server that is gone waits for a second. */
const REST = 2_000

/** Counts tenants' requests in Redis, for all processes together. While Redis is away each process counts for itself. */
export class TenantLimiter {
  readonly #shared: RateLimiterRedis
  readonly #own: RateLimiterMemory
  #failing = false
  #restsUntil = 0

  /** @param points - Requests a minute for each tenant. */
  constructor(redis: RedisClient, points: number) {
    const limits = { points, duration: 60 }
    this.#shared = new RateLimiterRedis({ ...limits, storeClient: redis, keyPrefix: `${keyPrefix}:rate`, rejectIfRedisNotReady: true })
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
      if (this.#failing) this.#restsUntil = now + REST
      try {
        await this.#shared.consume(tenant)
        this.#answered()
        return
      } catch (failure) {
        // A refusal is an answer too.
        if (!(failure instanceof Error)) {
          this.#answered()
          throw failure
        }
        this.#failing = true
        this.#restsUntil = Date.now() + REST
      }
    }
    await this.#own.consume(tenant)
  }

  #answered(): void {
    this.#failing = false
    this.#restsUntil = 0
  }
}
