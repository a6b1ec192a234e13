import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Database } from '../database/index.ts'
import { Problem } from '../problem.ts'
import { audit, type AuditEntry } from './audit.ts'
import { strangers } from './credentials.ts'

/** Refusals a minute that are written down: of one address, and of all together. */
const EACH = 10
const ALL = 300

/**
 * Writes refused sign-ins into the audit, a bounded number of them. Nobody's good credential is refused because of
 * somebody else's bad ones: many people may come from one address.
 */
export class Refusals {
  readonly #database: Database
  readonly #each = new RateLimiterMemory({ points: EACH, duration: 60 })
  readonly #all = new RateLimiterMemory({ points: ALL, duration: 60 })

  constructor(database: Database) {
    this.#database = database
  }

  /** Writes one down. @returns the refusal to answer with instead where there were too many a minute; this one is then not written */
  async note(entry: Omit<AuditEntry, 'action' | 'outcome'>): Promise<Problem | undefined> {
    try {
      await this.#each.consume(entry.address ?? '')
      await this.#all.consume('all')
    } catch (refused) {
      const wait = Math.ceil(((refused as { msBeforeNext?: number }).msBeforeNext ?? 1_000) / 1_000)
      return new Problem(429, `too many refused sign-ins; wait ${wait.toString()} s`, {
        type: 'too-many-refusals',
        headers: { 'retry-after': wait.toString() },
      })
    }
    const database = this.#database
    await database.as(strangers, () =>
      audit(database, { ...entry, action: 'sign-in', outcome: 'refused' }),
    )
    return undefined
  }
}
