import { LRUCache } from 'lru-cache'
import { unauthorized } from '../auth.ts'
import type { Database } from '../database/index.ts'
import type { Problem } from '../problem.ts'
import { scopesOf, type Identity, type Role, type Scope } from './identity.ts'
import { hashOf } from './secrets.ts'

/** How long an answer of the database is kept, ms; what is revoked is taken out by {@link Standing}'s next look. */
const KEPT = 30_000
/** How exact the last use is, seconds. */
const USE = 60

/** Connections of those whom nobody knows yet count as this owner's; no tenant can have the name. */
export const strangers = ' strangers'

interface CredentialRow {
  id: string
  tenant: string
  user_id: string
  name: string | null
  role: Role
  scopes: Scope[] | null
  used: number | null
  expires_at: Date
  state: 'live' | 'revoked' | 'ended' | 'idle'
}

/** What {@link Credentials} works with. */
export interface CredentialOptions {
  database: Database
  /** A browser's session ends when it was not used for so many seconds. */
  idleSeconds: number
  /** Hears of a use that could not be written. */
  warn: (error: unknown) => void
}

/** Looks up browser sessions and personal access tokens by their secrets. */
export class Credentials {
  readonly #options: CredentialOptions
  readonly #known: LRUCache<string, Identity>

  constructor(options: CredentialOptions) {
    this.#options = options
    const ttl = Math.max(1, Math.min(KEPT, options.idleSeconds * 250))
    this.#known = new LRUCache({ max: 10_000, ttl })
  }

  /** Whose personal access token this is. @throws Problem 401 */
  token(secret: string): Promise<Identity> {
    return this.#find(
      secret,
      'token',
      `SELECT c.id, c.tenant, c.user_id, p.name, p.role, c.scopes, c.expires_at,
         extract(epoch FROM now() - c.used_at)::float8 AS used,
         CASE WHEN c.revoked_at IS NOT NULL THEN 'revoked' WHEN c.expires_at <= now() THEN 'ended' ELSE 'live' END AS state
       FROM access_tokens c JOIN people p ON p.tenant = c.tenant AND p.id = c.user_id WHERE c.hash = $1`,
      [],
    )
  }

  /** Whose browser this is. @throws Problem 401 */
  browser(secret: string): Promise<Identity> {
    return this.#find(
      secret,
      'browser',
      `SELECT c.id, c.tenant, c.user_id, p.name, p.role, NULL AS scopes, c.expires_at,
         extract(epoch FROM now() - c.used_at)::float8 AS used,
         CASE WHEN c.revoked_at IS NOT NULL THEN 'revoked' WHEN c.expires_at <= now() THEN 'ended'
           WHEN c.used_at + make_interval(secs => $2) <= now() THEN 'idle' ELSE 'live' END AS state
       FROM browser_sessions c JOIN people p ON p.tenant = c.tenant AND p.id = c.user_id WHERE c.hash = $1`,
      [this.#options.idleSeconds],
    )
  }

  /** Looks again at those who are out. */
  forget(isOut: (identity: Identity) => boolean): void {
    for (const [key, identity] of this.#known.entries())
      if (isOut(identity)) this.#known.delete(key)
  }

  async #find(
    secret: string,
    kind: 'token' | 'browser',
    query: string,
    values: unknown[],
  ): Promise<Identity> {
    const hash = hashOf(secret)
    const key = hash.toString('base64')
    const known = this.#known.get(key)
    if (known !== undefined && (known.expires ?? 0) * 1000 > Date.now()) return known
    const { database } = this.#options
    const { rows } = await database.as(strangers, () =>
      database.query<CredentialRow>(query, [hash, ...values], { read: 'primary' }),
    )
    const row = rows[0]
    if (row?.state !== 'live') throw refusal(kind, row?.state)
    this.#use(kind, row)
    const identity = this.#identityOf(kind, row)
    this.#known.set(key, identity)
    return identity
  }

  #identityOf(kind: 'token' | 'browser', row: CredentialRow): Identity {
    const idle = kind === 'browser' ? Date.now() / 1000 + this.#options.idleSeconds : Infinity
    return {
      tenant: row.tenant,
      user: row.user_id,
      ...(row.name === null ? {} : { name: row.name }),
      scopes: scopesOf(row.role, row.scopes ?? undefined),
      expires: Math.floor(Math.min(row.expires_at.getTime() / 1000, idle)),
      credential: row.id,
    }
  }

  /** Writes the last use, once in a while. */
  #use(kind: 'token' | 'browser', { id, used }: CredentialRow): void {
    const { database, idleSeconds, warn } = this.#options
    if (used !== null && used < (kind === 'browser' ? Math.min(USE, idleSeconds / 4) : USE)) return
    const table = kind === 'browser' ? 'browser_sessions' : 'access_tokens'
    void database
      .as(strangers, () =>
        database.query(`UPDATE ${table} SET used_at = now() WHERE id = $1`, [id]),
      )
      .catch(warn)
  }
}

function refusal(kind: 'token' | 'browser', state: CredentialRow['state'] | undefined): Problem {
  if (kind === 'browser') return unauthorized('you are not signed in any more; sign in again')
  const why = { revoked: 'was revoked', ended: 'has ended', idle: 'has ended', live: '' }
  return unauthorized(
    state === undefined
      ? 'nobody has this token; get a new one'
      : `the token ${why[state]}; get a new one`,
  )
}
