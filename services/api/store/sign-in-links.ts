import type { Queryable } from '../../runtime/database/index.ts'
import { audit } from '../../runtime/people/audit.ts'
import { hashOf, newSecret } from '../../runtime/people/secrets.ts'

/** How long a link is good, seconds. */
export const linkSeconds = 600

/** Whom a link lets in. */
export interface LinkOwner {
  tenant: string
  user: string
}

/** Makes a link that is good once. @returns its secret, which is kept nowhere */
export async function createLink(
  tx: Queryable,
  { tenant, user }: LinkOwner,
  actor: string,
): Promise<string> {
  const secret = newSecret('link')
  await tx.query(
    `INSERT INTO sign_in_links (hash, tenant, user_id, expires_at)
     VALUES ($1, $2, $3, now() + make_interval(secs => $4))`,
    [hashOf(secret), tenant, user, linkSeconds],
  )
  await tx.query("DELETE FROM sign_in_links WHERE expires_at < now() - interval '1 day'")
  await audit(tx, { tenant, actor, action: 'sign-in-link', object: user })
  return secret
}

/** Uses a link up. @returns undefined when it was used already, is too old or never was */
export async function useLink(tx: Queryable, secret: string): Promise<LinkOwner | undefined> {
  const { rows } = await tx.query<{ tenant: string; user_id: string }>(
    `UPDATE sign_in_links l SET used_at = now() FROM people p, tenants t
     WHERE l.hash = $1 AND l.used_at IS NULL AND l.expires_at > now()
       AND p.tenant = l.tenant AND p.id = l.user_id AND p.disabled_at IS NULL
       AND t.id = l.tenant AND t.suspended_at IS NULL
     RETURNING l.tenant, l.user_id`,
    [hashOf(secret)],
  )
  return rows[0] && { tenant: rows[0].tenant, user: rows[0].user_id }
}
