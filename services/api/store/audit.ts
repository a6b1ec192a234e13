import type { Queryable } from '../../runtime/database/index.ts'

/** An entry of the audit as it is read. */
export interface AuditRecord {
  id: string
  at: Date
  tenant: string | null
  actor: string | null
  address: string | null
  scope: string | null
  action: string
  object: string | null
  request_id: string | null
  outcome: 'done' | 'refused'
}

/** Entries, newest first. @param filter - Of one tenant, or of all and of nobody's. */
export async function listAudit(
  tx: Queryable,
  { tenant, limit }: { tenant?: string | undefined; limit: number },
): Promise<AuditRecord[]> {
  const { rows } = await tx.query<AuditRecord>(
    `SELECT id, at, tenant, actor, address, scope, action, object, request_id, outcome
     FROM audit WHERE $1::text IS NULL OR tenant = $1 ORDER BY id DESC LIMIT $2`,
    [tenant ?? null, limit],
  )
  return rows
}
