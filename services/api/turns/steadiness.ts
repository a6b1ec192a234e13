/** Silences after which a worker is lost even while the database answers slowly, or only now and then, seconds. */
const LONG_SILENCES = [10, 30]

/**
 * Whether heartbeats could have come: silence means something only while the database has been answering all along. Where it was away,
 * paused or slow, its workers get as much time as before to be heard again, so that its return takes no turn from a living worker.
 */
export class Steadiness {
  readonly #now: () => number
  #last: number | undefined
  /** Since when there was no pause of that many seconds, by pause. */
  readonly #since = new Map<number, number>()

  /** @param now - A clock that never goes back, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * Called at each answer of the database.
   * @param silence - Seconds without a heartbeat after which a worker should be lost.
   * @returns after how many seconds it may be taken for lost now; undefined while not at all.
   */
  patience(silence: number): number | undefined {
    const now = this.#now()
    const pause = now - (this.#last ?? Number.NEGATIVE_INFINITY)
    this.#last = now
    for (const threshold of [silence, ...LONG_SILENCES.filter((long) => long > silence)]) {
      if (pause > (threshold * 1000) / 2) this.#since.set(threshold, now)
      if (now - (this.#since.get(threshold) ?? now) >= threshold * 1000) return threshold
    }
    return undefined
  }
}
