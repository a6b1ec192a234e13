import type { Identity } from '../../runtime/auth.ts'
import type { Database, Queryable } from '../../runtime/database/index.ts'

/** What a running turn waits for. */
export type RequestKind = 'permission' | 'question'

/** Questions and permission requests that running turns wait for. */
export class Requests {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The tenant's open ones of this kind, oldest first. */
  async list({ tenant }: Identity, kind: RequestKind): Promise<unknown[]> {
    const { rows } = await this.#database.query<{ data: unknown }>(
      'SELECT data FROM requests WHERE tenant = $1 AND kind = $2 ORDER BY id',
      [tenant, kind],
      { read: 'primary' },
    )
    return rows.map(({ data }) => data)
  }

  /** The turn that waits for an answer. */
  async get(
    { tenant }: Identity,
    id: string,
  ): Promise<{ turn: string; session: string } | undefined> {
    const { rows } = await this.#database.query<{ turn_id: string; session_id: string }>(
      'SELECT turn_id, session_id FROM requests WHERE tenant = $1 AND id = $2',
      [tenant, id],
      { read: 'primary' },
    )
    return rows[0] && { turn: rows[0].turn_id, session: rows[0].session_id }
  }
}

/** A request as its engine asks it. */
export interface AskedRequest {
  id: unknown
  tenant: string
  sessionID: string
  turnID: string
  kind: RequestKind
  data: Record<string, unknown>
}

/** Keeps a request until it is answered or its turn ends. */
export async function saveRequest(
  tx: Queryable,
  { id, tenant, sessionID, turnID, kind, data }: AskedRequest,
): Promise<void> {
  await tx.query(
    `INSERT INTO requests (id, tenant, session_id, turn_id, kind, data)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
    [id, tenant, sessionID, turnID, kind, JSON.stringify(data)],
  )
}

/** Removes a request that was answered. */
export async function removeRequest(tx: Queryable, tenant: string, id: unknown): Promise<void> {
  await tx.query('DELETE FROM requests WHERE id = $1 AND tenant = $2', [id, tenant])
}

/** Removes what a turn has left open at its end. */
export async function removeRequestsOf(tx: Queryable, turnID: string): Promise<void> {
  await tx.query('DELETE FROM requests WHERE turn_id = $1', [turnID])
}
