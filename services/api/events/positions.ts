import { setTimeout as sleep } from 'node:timers/promises'
import { createID } from '../../runtime/ids.ts'
import { keyPrefix, type RedisClient } from '../../runtime/redis.ts'

/** A process that has said nothing for so long is not waited for: it is gone, or has nobody left to tell, ms. */
const STALE = 5_000
/** Longer than a process takes to read by itself what Redis has lost, ms. */
const LONGEST_WAIT = 6_000
const POLL = 20

/** How far each API process has passed a tenant's events on to its clients, where all of them see it: in Redis. */
export class Positions {
  readonly #redis: RedisClient
  readonly #self = createID('event')
  readonly #onError: (error: unknown) => void
  readonly #changed = new Map<string, number>()
  #writing = false

  /** @param redis - A connection whose commands fail at once while Redis is away. */
  constructor(redis: RedisClient, onError: (error: unknown) => void) {
    this.#redis = redis
    this.#onError = onError
  }

  /** This process has passed on all events up to `seq`. Also to be said again every {@link STALE} / 2 without any news. */
  moved(tenant: string, seq: number): void {
    this.#changed.set(tenant, seq)
    if (this.#writing) return
    this.#writing = true
    void this.#write()
      .catch(this.#onError)
      .finally(() => {
        this.#writing = false
      })
  }

  /** This process has no clients of the tenant any more. */
  left(tenant: string): void {
    this.#changed.delete(tenant)
    this.#redis.hdel(key(tenant), this.#self).catch(this.#onError)
  }

  /**
   * Waits until every process with clients of the tenant has passed on all events up to `seq`, for {@link LONGEST_WAIT} at most.
   * @param remind - Called when one has not: it may not know that there is something.
   * @throws what Redis throws
   */
  async reached(
    tenant: string,
    seq: number,
    remind: () => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const deadline = Date.now() + LONGEST_WAIT
    for (let round = 0; Date.now() < deadline && signal?.aborted !== true; round += 1) {
      if (!(await this.#isBehind(tenant, seq))) return
      if (round % 50 === 1) remind()
      await sleep(POLL)
    }
  }

  async #isBehind(tenant: string, seq: number): Promise<boolean> {
    const said = Object.values(await this.#redis.hgetall(key(tenant))).map((value) =>
      value.split(' ').map(Number),
    )
    return said.some(([place = 0, at = 0]) => place < seq && at > Date.now() - STALE)
  }

  async #write(): Promise<void> {
    // A moment's wait lets a burst be one command.
    await sleep(1)
    while (this.#changed.size > 0) {
      const pipeline = this.#redis.pipeline()
      for (const [tenant, seq] of this.#changed)
        pipeline
          .hset(key(tenant), this.#self, `${seq.toString()} ${Date.now().toString()}`)
          .pexpire(key(tenant), 4 * STALE)
      this.#changed.clear()
      for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
    }
  }
}

const key = (tenant: string): string => `${keyPrefix}:positions:${tenant}`
