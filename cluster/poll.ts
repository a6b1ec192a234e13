import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Asks `ready` every `interval` milliseconds (default 500) until it answers something true, and returns that.
 * @throws Error after `seconds`, naming what was waited for and the last failure.
 */
export async function poll<T>(
  what: string,
  seconds: number,
  ready: () => Promise<T>,
  interval = 500,
): Promise<NonNullable<T>> {
  const deadline = Date.now() + seconds * 1000
  let last: unknown
  for (;;) {
    try {
      const answer = await ready()
      if (answer) return answer
    } catch (error) {
      last = error
    }
    if (Date.now() >= deadline) break
    await sleep(interval)
  }
  const reason = last instanceof Error ? `: ${last.message}` : ''
  throw new Error(`${what} was not ready within ${seconds} s${reason}`)
}
