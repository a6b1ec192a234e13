import type { Database } from '../database/index.ts'
import type { Identity } from './identity.ts'

/** Between two looks, ms: what was revoked elsewhere has an effect here after this time. */
const INTERVAL = 5_000
/** How much further back than its last success a look goes, ms: transactions become visible after their time. */
const OVERLAP = 15_000

/** Hears of a look; `isOut` says whether somebody's credential is no good any more. */
export type StandingListener = (isOut: (identity: Identity) => boolean) => void

/** Who is shut out: disabled people, suspended tenants, and what was revoked a moment ago. One query for all, whoever asks. */
export class Standing {
  readonly #database: Database
  readonly #warn: (error: unknown) => void
  readonly #listeners = new Set<StandingListener>()
  #out = new Set<string>()
  #since: Date | undefined
  #timer: NodeJS.Timeout | undefined
  #first: Promise<void> | undefined

  /** @param warn - Hears of a look that failed; what was known before stays. */
  constructor(database: Database, warn: (error: unknown) => void) {
    this.#database = database
    this.#warn = warn
  }

  /** Looks now and then. */
  start(): void {
    this.#timer ??= setInterval(() => {
      this.look().catch(this.#warn)
    }, INTERVAL).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Settles once there was a look. @throws what the database says when it cannot be asked */
  async ready(): Promise<void> {
    if (this.#since !== undefined) return
    this.#first ??= this.look().finally(() => {
      this.#first = undefined
    })
    await this.#first
  }

  listen(listener: StandingListener): void {
    this.#listeners.add(listener)
  }

  /** Whether this person, their tenant or their credential is shut out. */
  isOut({ tenant, user, credential }: Identity): boolean {
    const out = this.#out
    return (
      out.has(tenantKey(tenant)) ||
      out.has(personKey(tenant, user)) ||
      (credential !== undefined && out.has(credential))
    )
  }

  /** Asks the database, and tells those who listen. */
  async look(): Promise<void> {
    const { rows } = await this.#database.query<{
      tenant: string | null
      id: string | null
      now: Date
    }>(
      `SELECT NULL AS tenant, NULL AS id, now() AS now
       UNION ALL SELECT id, NULL, now() FROM tenants WHERE suspended_at IS NOT NULL
       UNION ALL SELECT tenant, id, now() FROM people WHERE disabled_at IS NOT NULL
       UNION ALL SELECT NULL, id, now() FROM browser_sessions WHERE revoked_at >= $1
       UNION ALL SELECT NULL, id, now() FROM access_tokens WHERE revoked_at >= $1`,
      [this.#since ?? new Date(Date.now() - OVERLAP)],
      { read: 'primary' },
    )
    const out = new Set<string>()
    for (const { tenant, id } of rows) {
      if (tenant === null) {
        if (id !== null) out.add(id)
      } else out.add(id === null ? tenantKey(tenant) : personKey(tenant, id))
    }
    this.#out = out
    this.#since = new Date((rows[0]?.now ?? new Date()).getTime() - OVERLAP)
    for (const listener of this.#listeners) listener((identity) => this.isOut(identity))
  }
}

// A credential's id is 16 hex digits; the slash keeps the three kinds apart.
const tenantKey = (tenant: string) => `${tenant}/`
const personKey = (tenant: string, user: string) => `${tenant}/${user}`
