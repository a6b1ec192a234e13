import { setTimeout as delay } from 'node:timers/promises'
import type { AttemptLog, LoadKind } from './attempts.ts'

/** How a steady load of one kind runs. */
export interface LoadOptions {
  readonly kind: LoadKind
  /** Time between the starts of two requests, in milliseconds. */
  readonly everyMs: number
  /** Requests that may be under way at once; further ones wait. */
  readonly concurrency: number
  /** Does request number n and returns the id of what it wrote. */
  readonly run: (number: number) => Promise<string>
}

/** The reason of a failed request in a few words: undici hides the useful part in `cause`. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause as { code?: string } | undefined
  return cause?.code ?? error.message
}

/**
 * Starts a request every so often until stopped, and logs each one's end. Open loop: a hanging service does not slow the
 * load down until `concurrency` requests hang, so that a gap is seen as a gap.
 * @returns stops the load and resolves when the last request has ended
 */
export function startLoad(log: AttemptLog, options: LoadOptions): () => Promise<void> {
  const underWay = new Set<Promise<void>>()
  let stopped = false
  const attempt = async (number: number): Promise<void> => {
    const startedAt = Date.now()
    const base = { kind: options.kind, number, startedAt }
    try {
      const id = await options.run(number)
      log.add({ ...base, endedAt: Date.now(), acknowledged: true, id })
    } catch (error) {
      log.add({ ...base, endedAt: Date.now(), acknowledged: false, error: reason(error) })
    }
  }
  const loop = async (): Promise<void> => {
    for (let number = 0; !stopped; number += 1) {
      const one: Promise<void> = attempt(number).finally(() => underWay.delete(one))
      underWay.add(one)
      await delay(options.everyMs)
      if (underWay.size >= options.concurrency) await Promise.race(underWay)
    }
  }
  const running = loop()
  return async () => {
    stopped = true
    await running
    await Promise.all(underWay)
  }
}
