import type { Queryable } from '../../runtime/database/index.ts'
import { hashOf, newSecret, secretID } from '../../runtime/people/secrets.ts'

/** Begins a browser's session. @returns the cookie's secret, which is kept nowhere */
export async function beginBrowserSession(
  tx: Queryable,
  { tenant, user, seconds }: { tenant: string; user: string; seconds: number },
): Promise<{ id: string; secret: string }> {
  const secret = newSecret('browser')
  const id = secretID()
  await tx.query(
    `INSERT INTO browser_sessions (hash, id, tenant, user_id, expires_at)
     VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
    [hashOf(secret), id, tenant, user, seconds],
  )
  return { id, secret }
}

/** Ends the session of a cookie. @returns whose it was; undefined when it had ended already */
export async function endBrowserSession(
  tx: Queryable,
  secret: string,
): Promise<{ id: string; tenant: string; user: string } | undefined> {
  const { rows } = await tx.query<{ id: string; tenant: string; user_id: string }>(
    `UPDATE browser_sessions SET revoked_at = now() WHERE hash = $1 AND revoked_at IS NULL
     RETURNING id, tenant, user_id`,
    [hashOf(secret)],
  )
  return rows[0] && { id: rows[0].id, tenant: rows[0].tenant, user: rows[0].user_id }
}

/** Ends all sessions of a person. @returns how many there were */
export async function endBrowserSessionsOf(
  tx: Queryable,
  { tenant, user }: { tenant: string; user: string },
): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE browser_sessions SET revoked_at = now()
     WHERE tenant = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()`,
    [tenant, user],
  )
  return rowCount ?? 0
}
