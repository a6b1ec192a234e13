import { AsyncLocalStorage } from 'node:async_hooks'

/** How much of a pool one owner may use at once: what is left lets everybody else through. */
const SHARE = 0.7

interface Use {
  count: number
  readonly waiting: (() => void)[]
}

/**
 * Divides a pool among owners: one that asks for much waits for its own work, not the others for it. Work without an owner has no limit.
 */
export class Shares {
  readonly #limit: number
  readonly #owner = new AsyncLocalStorage<string>()
  readonly #uses = new Map<string, Use>()

  /** @param poolSize - Connections there are. */
  constructor(poolSize: number) {
    this.#limit = Math.max(1, Math.floor(poolSize * SHARE))
  }

  /** Runs work whose connections count for this owner. */
  as<T>(owner: string, work: () => T): T {
    return this.#owner.run(owner, work)
  }

  /** Waits until the current owner may use one more. @returns what gives it back. @throws Error when it waits longer than `milliseconds` */
  async take(milliseconds: number): Promise<() => void> {
    const owner = this.#owner.getStore()
    if (owner === undefined) return () => undefined
    const use = this.#uses.get(owner) ?? { count: 0, waiting: [] }
    this.#uses.set(owner, use)
    if (use.count < this.#limit) use.count += 1
    else await turnOf(use, milliseconds)
    return () => {
      // The next in the queue takes over what this one had.
      const next = use.waiting.shift()
      if (next !== undefined) next()
      else if (--use.count === 0) this.#uses.delete(owner)
    }
  }
}

function turnOf(use: Use, milliseconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = () => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(() => {
      use.waiting.splice(use.waiting.indexOf(next), 1)
      reject(
        new Error(
          `the database did not answer within ${milliseconds.toString()} ms: your own requests keep it busy`,
        ),
      )
    }, milliseconds)
    use.waiting.push(next)
  })
}
