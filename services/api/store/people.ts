import { audit } from '../../runtime/people/audit.ts'
import type { Role } from '../../runtime/people/identity.ts'
import type { Queryable } from '../../runtime/database/index.ts'
import { ensureTenant } from './tenants.ts'

/** A person of a tenant. */
export interface Person {
  tenant: string
  id: string
  name: string | null
  role: Role
  created_at: Date
  disabled_at: Date | null
}

/** Makes a person, and their tenant, where there are none; name and role are changed where they are given. */
export async function ensurePerson(
  tx: Queryable,
  { tenant, id, name, role }: { tenant: string; id: string; name?: string; role?: Role },
  actor: string,
): Promise<Person> {
  await ensureTenant(tx, tenant)
  const { rows } = await tx.query<Person & { is_new: boolean; old_role: Role | null }>(
    `WITH before AS (SELECT role FROM people WHERE tenant = $1 AND id = $2 FOR UPDATE)
     INSERT INTO people (tenant, id, name, role) VALUES ($1, $2, $3, coalesce($4, 'member'))
     ON CONFLICT (tenant, id) DO UPDATE SET name = coalesce($3, people.name), role = coalesce($4, people.role)
     RETURNING tenant, id, name, role, created_at, disabled_at, (xmax = 0) AS is_new, (SELECT role FROM before) AS old_role`,
    [tenant, id, name ?? null, role ?? null],
  )
  const [row] = rows
  if (row === undefined) throw new Error('PostgreSQL returned no person')
  const { is_new: isNew, old_role: oldRole, ...person } = row
  if (isNew || oldRole !== person.role)
    await audit(tx, {
      tenant,
      actor,
      action: isNew ? 'user-add' : 'user-role',
      object: `${id} ${person.role}`,
    })
  return person
}

/** The people of a tenant, or of all, by id. */
export async function listPeople(tx: Queryable, tenant?: string): Promise<Person[]> {
  const { rows } = await tx.query<Person>(
    `SELECT tenant, id, name, role, created_at, disabled_at FROM people
     WHERE $1::text IS NULL OR tenant = $1 ORDER BY tenant, id`,
    [tenant ?? null],
  )
  return rows
}

/** Shuts a person out, or lets them in again. @returns whether there is such a person */
export async function setDisabled(
  tx: Queryable,
  { tenant, id, disabled }: { tenant: string; id: string; disabled: boolean },
  actor: string,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE people SET disabled_at = CASE WHEN $3 THEN coalesce(disabled_at, now()) END
     WHERE tenant = $1 AND id = $2`,
    [tenant, id, disabled],
  )
  if (rowCount === 0) return false
  await audit(tx, { tenant, actor, action: disabled ? 'user-disable' : 'user-enable', object: id })
  return true
}

/** A person; undefined where there is none. */
export async function findPerson(
  tx: Queryable,
  { tenant, id }: { tenant: string; id: string },
): Promise<Person | undefined> {
  const { rows } = await tx.query<Person>(
    `SELECT tenant, id, name, role, created_at, disabled_at FROM people WHERE tenant = $1 AND id = $2`,
    [tenant, id],
  )
  return rows[0]
}
