import type { Queryable } from '../database/index.ts'

/** One thing that somebody has done, or was refused. */
export interface AuditEntry {
  tenant?: string | undefined
  /** Id of the person, or `operator` for who has the cluster. */
  actor?: string | undefined
  /** Where the request came from. */
  address?: string | undefined
  /** Scope that it needed. */
  scope?: string | undefined
  /** What was done, such as `sign-in`. */
  action: string
  /** What it was done to. */
  object?: string | undefined
  requestID?: string | undefined
  /** @default 'done' */
  outcome?: 'done' | 'refused'
}

/** Writes an entry; in the transaction of what it records, so that neither is there without the other. */
export async function audit(tx: Queryable, entry: AuditEntry): Promise<void> {
  const { tenant, actor, address, scope, action, object, requestID, outcome = 'done' } = entry
  await tx.query(
    `INSERT INTO audit (tenant, actor, address, scope, action, object, request_id, outcome)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [tenant, actor, address, scope, action, object, requestID, outcome].map(
      (value) => value ?? null,
    ),
  )
}
