import closeWithGrace from 'close-with-grace'
import type { Logger } from './logger.ts'
import { errorFields } from './logger.ts'

/** What {@link onShutdown} does, and how long it may take. */
export interface ShutdownOptions {
  /** Time to drain, seconds. Two more are given for what comes after; the pod's grace period must be longer. */
  drainSeconds: number
  logger: Logger
  /** Stops taking work, waits for what is under way, closes. Called once. */
  drain(deadline: number): Promise<void>
}

/**
 * Drains on SIGTERM and SIGINT, and on an error nobody caught, within a hard deadline; then ends the process.
 * A second signal ends it at once.
 */
export function onShutdown({ drainSeconds, logger, drain }: ShutdownOptions): {
  close(): Promise<void>
} {
  const grace = closeWithGrace(
    { delay: drainSeconds * 1000 + 2_000, logger: false },
    async ({ signal, err }) => {
      if (err) logger.error(errorFields(err), 'uncaught error')
      logger.info({ signal, drainSeconds }, 'draining')
      await drain(Date.now() + drainSeconds * 1000)
      logger.info('drained')
    },
  )
  return { close: () => Promise.resolve(grace.close()) }
}
