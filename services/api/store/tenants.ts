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

/** A tenant, without its configuration. */
export interface Tenant {
  id: string
  created_at: Date
  suspended_at: Date | null
}

/** All tenants, by id. */
export async function listTenants(tx: Queryable): Promise<Tenant[]> {
  const { rows } = await tx.query<Tenant>(
    'SELECT id, created_at, suspended_at FROM tenants ORDER BY id',
  )
  return rows
}

/** Makes a tenant. @returns false where there was one */
export async function createTenant(tx: Queryable, tenant: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    'INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING',
    [tenant],
  )
  return rowCount === 1
}

/** Sets a tenant's part of the engine's configuration. @returns false where there is no such tenant */
export async function configureTenant(
  tx: Queryable,
  tenant: string,
  config: Record<string, unknown>,
): Promise<boolean> {
  const { rowCount } = await tx.query('UPDATE tenants SET config = $2 WHERE id = $1', [
    tenant,
    JSON.stringify(config),
  ])
  return rowCount === 1
}

/** Shuts a tenant's people out, or lets them in again. @returns false where there is no such tenant */
export async function setSuspended(
  tx: Queryable,
  tenant: string,
  suspended: boolean,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    'UPDATE tenants SET suspended_at = CASE WHEN $2 THEN coalesce(suspended_at, now()) END WHERE id = $1',
    [tenant, suspended],
  )
  return rowCount === 1
}
