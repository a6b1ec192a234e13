import type { Queryable } from '../../runtime/database/index.ts'

/** Makes the tenant's row where there is none. */
export async function ensureTenant(database: Queryable, tenant: string): Promise<void> {
  await database.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [tenant])
}

/** Locks the tenant's row, so that counting something and adding to it are one step. */
export async function lockTenant(tx: Queryable, tenant: string): Promise<void> {
  await tx.query('SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', [tenant])
}

/** Takes the tenant's next `count` places in its order of events. @returns the first of them */
export async function takePlaces(tx: Queryable, tenant: string, count: number): Promise<number> {
  const { rows } = await tx.query<{ head: string }>(
    'UPDATE tenants SET head_seq = head_seq + $2 WHERE id = $1 RETURNING head_seq AS head',
    [tenant, count],
  )
  return Number(rows[0]?.head) - count + 1
}
