/**
 * How often a turn is tried, by what went wrong. All three count for one turn, and the first that is
 * reached ends it with an answer for its client.
 */
export const turnAttempts = {
  /** Workers that may be lost under a turn. The API counts them, in the turn's row. */
  lostWorkers: 5,
  /** Attempts that may fail after their claim; `TURN_MAX_ATTEMPTS` replaces it. The worker counts. */
  failures: 4,
  /**
   * Deliveries of one job, also those that could not be claimed (the API was away). Past it the job is
   * dropped and the API queues the turn again from its row. The queue counts.
   */
  deliveries: 20,
} as const
