import type { Queryable } from '../../runtime/database/index.ts'
import { audit } from '../../runtime/people/audit.ts'
import type { Scope } from '../../runtime/people/identity.ts'
import { hashOf, newSecret, secretID } from '../../runtime/people/secrets.ts'

/** A personal access token, as far as it may be shown. */
export interface AccessToken {
  id: string
  tenant: string
  user_id: string
  name: string
  scopes: Scope[]
  created_at: Date
  used_at: Date | null
  expires_at: Date
  revoked_at: Date | null
}

const columns = 'id, tenant, user_id, name, scopes, created_at, used_at, expires_at, revoked_at'

/** What {@link createToken} makes. */
export interface NewToken {
  tenant: string
  user: string
  name: string
  scopes: readonly Scope[]
  days: number
}

/** Makes a token. @returns its secret, which is kept nowhere */
export async function createToken(
  tx: Queryable,
  { tenant, user, name, scopes, days }: NewToken,
  actor: string,
): Promise<AccessToken & { secret: string }> {
  const secret = newSecret('token')
  const { rows } = await tx.query<AccessToken>(
    `INSERT INTO access_tokens (hash, id, tenant, user_id, name, scopes, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(days => $7)) RETURNING ${columns}`,
    [hashOf(secret), secretID(), tenant, user, name, scopes, days],
  )
  const [token] = rows
  if (token === undefined) throw new Error('PostgreSQL returned no token')
  await audit(tx, {
    tenant,
    actor,
    action: 'token-create',
    object: `${token.id} ${user} ${scopes.join(',')}`,
  })
  return { ...token, secret }
}

/** Tokens, newest first; also those that have ended. */
export async function listTokens(
  tx: Queryable,
  { tenant, user }: { tenant?: string | undefined; user?: string | undefined } = {},
): Promise<AccessToken[]> {
  const { rows } = await tx.query<AccessToken>(
    `SELECT ${columns} FROM access_tokens
     WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR user_id = $2)
     ORDER BY created_at DESC, id`,
    [tenant ?? null, user ?? null],
  )
  return rows
}

/** Ends a token at once; one that has ended stays so. @returns undefined when there is none of this id */
export async function revokeToken(
  tx: Queryable,
  id: string,
  actor: string,
): Promise<AccessToken | undefined> {
  const { rows } = await tx.query<AccessToken>(
    `UPDATE access_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1
     RETURNING ${columns}`,
    [id],
  )
  const [token] = rows
  if (token !== undefined)
    await audit(tx, {
      tenant: token.tenant,
      actor,
      action: 'token-revoke',
      object: `${id} ${token.user_id}`,
    })
  return token
}

/** Ends all tokens of a person. @returns how many there were */
export async function revokeTokensOf(
  tx: Queryable,
  { tenant, user }: { tenant: string; user: string },
): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE access_tokens SET revoked_at = now()
     WHERE tenant = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()`,
    [tenant, user],
  )
  return rowCount ?? 0
}
