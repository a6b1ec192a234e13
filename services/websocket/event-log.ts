import { isShown, shownProperties } from '../protocol/clients.ts'
import { page } from '../runtime/event-page.ts'
import type { Queryable } from '../runtime/database/index.ts'

/** What a client gets for one event, and what the Redis channel of a tenant carries. */
export interface Envelope {
  /** Position in the tenant's log; `null` for events that are not kept, such as the pieces of a text being written. */
  readonly seq: number | null
  readonly directory?: string
  /** No client gets it: it is of a deleted session, or of a type for the engine alone. */
  readonly hidden?: boolean
  readonly event: { readonly id?: string; readonly type: string; readonly properties: unknown }
}

interface Row {
  tenant_seq: string | number
  event_id: string
  type: string
  /** Null where it is hidden. */
  data: Record<string, unknown> | null
  directory: string | null
}

/** A tenant's durable events in PostgreSQL, the source of truth: Redis only says that there is something to read. */
export class EventLog {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  /** Position of the tenant's newest event, 0 where there is none. */
  async head(tenant: string): Promise<number> {
    const { rows } = await this.#database.query<{ head_seq: string }>(
      'SELECT head_seq FROM tenants WHERE id = $1',
      [tenant],
      { read: 'primary' },
    )
    return Number(rows[0]?.head_seq ?? 0)
  }

  /** The next page of events after a position. From the primary: a replica may lack the newest, which would look like an end. */
  async after(tenant: string, seq: number): Promise<Envelope[]> {
    const { rows } = await this.#database.query<Row>(
      `SELECT e.tenant_seq, e.event_id, e.type, s.directory,
         CASE WHEN s.deleted_at IS NULL OR e.type LIKE 'session.deleted.%' THEN e.data END AS data
       FROM ${page('WHERE tenant = $1 AND tenant_seq > $2', 'tenant_seq')} e
       LEFT JOIN sessions s ON s.id = e.session_id ORDER BY e.tenant_seq`,
      [tenant, seq],
      { read: 'primary' },
    )
    return rows.map(({ tenant_seq, event_id, type, data, directory }) => ({
      seq: Number(tenant_seq),
      ...(directory === null ? {} : { directory }),
      ...(data === null || !isShown(type) ? { hidden: true } : {}),
      // The log keeps the engine's durable form, "session.updated.1"; clients know it without the version.
      event: {
        id: event_id,
        type: type.replace(/\.\d+$/, ''),
        properties: shownProperties(type, data ?? {}),
      },
    }))
  }
}
