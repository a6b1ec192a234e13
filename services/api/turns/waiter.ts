import { setTimeout as sleep } from 'node:timers/promises'
import { channels, type PubSub } from '../../runtime/redis.ts'

/** Wakes the requests that wait for turns, by Redis where it works and by looking where it does not. */
export class TurnWaiter {
  readonly #pubsub: PubSub
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(pubsub: PubSub) {
    this.#pubsub = pubsub
    pubsub
      .subscribe(channels.turns, (id) => {
        this.wake(id)
      })
      .catch(() => undefined)
  }

  /** Tells every API process that a turn is over. */
  async over(turnID: string): Promise<void> {
    this.wake(turnID)
    await this.#pubsub.publish(channels.turns, turnID)
  }

  wake(turnID: string): void {
    for (const wake of this.#waiting.get(turnID) ?? []) wake()
  }

  /**
   * Waits until `look` finds something.
   * @param look - Reads the turn from the primary.
   * @param signal - The client has gone.
   */
  async until<T>(
    turnID: string,
    look: () => Promise<T | undefined>,
    signal?: AbortSignal,
  ): Promise<T> {
    const set = this.#waiting.get(turnID) ?? new Set()
    this.#waiting.set(turnID, set)
    let wake: () => void = () => undefined
    const entry = () => {
      wake()
    }
    set.add(entry)
    try {
      for (;;) {
        const called = new Promise<void>((resolve) => {
          wake = resolve
        })
        const found = await look()
        if (found !== undefined) return found
        signal?.throwIfAborted()
        const stop = new AbortController()
        const leave = () => {
          stop.abort()
        }
        signal?.addEventListener('abort', leave)
        await Promise.race([
          called,
          sleep(2_000, undefined, { signal: stop.signal }).catch(() => undefined),
        ])
        stop.abort()
        signal?.removeEventListener('abort', leave)
      }
    } finally {
      set.delete(entry)
      if (set.size === 0) this.#waiting.delete(turnID)
    }
  }
}
