import type { Queryable } from '../../runtime/database/index.ts'

/** What an administrator sees of a session without reading it. */
export interface SessionSummary {
  id: string
  user: string
  parent: string | null
  created_at: Date
  updated_at: Date
}

/** Sessions of a tenant that are not deleted, those that changed last first. */
export async function listSessions(
  tx: Queryable,
  { tenant, user, limit }: { tenant: string; user?: string | undefined; limit: number },
): Promise<SessionSummary[]> {
  const { rows } = await tx.query<SessionSummary>(
    `SELECT id, user_id AS "user", parent_id AS parent, created_at, updated_at FROM sessions
     WHERE tenant = $1 AND deleted_at IS NULL AND ($2::text IS NULL OR user_id = $2)
     ORDER BY updated_at DESC, id LIMIT $3`,
    [tenant, user ?? null, limit],
  )
  return rows
}
