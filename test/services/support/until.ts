import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Polls until `condition` holds.
 * @throws Error naming what was waited for, in words or as it is at the end
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
  what: string | (() => string) = 'the condition to hold',
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline)
      throw new Error(
        `waited ${timeoutMs.toString()} ms in vain for ${typeof what === 'string' ? what : what()}`,
      )
    // Not faster: what is polled here is often a request, and the engine under test shares the machine.
    await sleep(100)
  }
}
