import type { Identity } from '../../runtime/people/identity.ts'
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
  /** The family that the session must belong to. */
  rootID: string
  turnID: string
  kind: RequestKind
  data: Record<string, unknown>
}

/** Keeps a request of the turn's own family until it is answered or its turn ends. */
export async function saveRequest(
  tx: Queryable,
  { id, tenant, sessionID, rootID, turnID, kind, data }: AskedRequest,
): Promise<void> {
  await tx.query(
    `INSERT INTO requests (id, tenant, session_id, turn_id, kind, data)
     SELECT $1::text, $2, id, $4, $5, $6::json FROM sessions
     WHERE id = $3 AND root_id = $7 AND deleted_at IS NULL ON CONFLICT (id) DO NOTHING`,
    [id, tenant, sessionID, turnID, kind, JSON.stringify(data), rootID],
  )
}

/** Removes a request that was answered; only the turn that asked can say so. */
export async function removeRequest(tx: Queryable, turnID: string, id: unknown): Promise<void> {
  await tx.query('DELETE FROM requests WHERE id = $1 AND turn_id = $2', [id, turnID])
}

/** Removes what a turn has left open at its end. */
export async function removeRequestsOf(tx: Queryable, turnID: string): Promise<void> {
  await tx.query('DELETE FROM requests WHERE turn_id = $1', [turnID])
}
