import type { DurableEvent } from '../../protocol/events.ts'
import type { Queryable } from '../../runtime/database/index.ts'
import { page } from '../../runtime/event-page.ts'
import { Problem } from '../../runtime/problem.ts'
import type { AppendedEvent } from './appended-event.ts'
import { project } from './projections.ts'
import { lockSessions, type SessionRow } from './sessions.ts'
import { takePlaces } from './tenants.ts'

/** Whose log is written. */
export interface AppendScope {
  tenant: string
  user: string
  rootID: string
  directory: string
  /** Whether a session without a parent may begin here (a fork). */
  mayBegin: boolean
  /** The session that a fork has begun: a family of its own, to which its turn goes on to write. */
  forkedID?: string | undefined
}

interface EventRow {
  session_id: string
  seq: string
  event_id: string
  type: string
  data: Record<string, unknown>
}

/** Heads by session, and what was new. */
export interface Appended {
  heads: Record<string, number>
  events: AppendedEvent[]
}

/**
 * Appends to the logs of a session's family, in the caller's transaction. What is there already is skipped if it is the same event.
 * @throws Problem 409 `sequence-conflict` on another event at the same place, or a gap; 403 for a session of another family
 */
export async function append(
  tx: Queryable,
  scope: AppendScope,
  durable: readonly DurableEvent[],
): Promise<Appended> {
  const sessions = await familyOf(tx, scope, durable)
  const fresh: { event: DurableEvent; session: SessionRow }[] = []
  const repeated: DurableEvent[] = []
  for (const event of durable) {
    const session = sessions.get(event.aggregateID) ?? begin(scope, event, sessions)
    if (event.seq <= session.head) {
      repeated.push(event)
      continue
    }
    if (event.seq !== session.head + 1) {
      throw conflict(
        `event ${event.seq.toString()} of ${event.aggregateID} cannot follow ${session.head.toString()}`,
      )
    }
    session.head = event.seq
    fresh.push({ event, session })
  }
  await checkRepeated(tx, repeated)
  const heads = Object.fromEntries([...sessions.values()].map(({ id, head }) => [id, head]))
  if (fresh.length === 0) return { heads, events: [] }
  const first = await takePlaces(tx, scope.tenant, fresh.length)
  const events = fresh.map(({ event, session }, index) => ({
    ...event,
    tenantSeq: first + index,
    directory: session.directory,
  }))
  await project(
    tx,
    scope,
    fresh.map(({ event }) => event),
    [...sessions.values()],
  )
  await insert(tx, scope.tenant, events)
  return { heads, events }
}

async function familyOf(
  tx: Queryable,
  { tenant, rootID, forkedID }: AppendScope,
  durable: readonly DurableEvent[],
): Promise<Map<string, SessionRow>> {
  const ids = [...new Set(durable.map(({ aggregateID }) => aggregateID))]
  const sessions = new Map<string, SessionRow>()
  for (const row of await lockSessions(tx, ids)) {
    if (row.tenant !== tenant || (row.rootID !== rootID && row.id !== forkedID))
      throw new Problem(403, `session ${row.id} is not part of this turn`)
    sessions.set(row.id, row)
  }
  return sessions
}

function begin(
  scope: AppendScope,
  event: DurableEvent,
  sessions: Map<string, SessionRow>,
): SessionRow {
  const info = event.data['info'] as { parentID?: string; directory?: string } | undefined
  if (event.type !== 'session.created.1' || event.seq !== 0)
    throw conflict(`session ${event.aggregateID} does not begin with its creation`)
  if (info?.parentID === undefined && !scope.mayBegin)
    throw new Problem(403, 'only a fork may begin a session without a parent')
  const isRoot = info?.parentID === undefined
  const session = {
    id: event.aggregateID,
    head: -1,
    directory: info?.directory ?? scope.directory,
    isNew: true,
    rootID: isRoot ? event.aggregateID : scope.rootID,
  }
  sessions.set(session.id, session)
  return session
}

/**
 * The durable events of the session family of a turn, a page at a time.
 * @param past - Positions by session; of sessions that are not named, all.
 */
export async function* history(
  database: Queryable,
  turnID: string,
  past: Readonly<Record<string, number>> = {},
): AsyncGenerator<DurableEvent[]> {
  let after = ['', -1] as [string, number]
  for (;;) {
    const { rows } = await database.query<EventRow>(
      `SELECT session_id, seq, event_id, type, data FROM ${page(
        `WHERE session_id IN (SELECT s.id FROM sessions s JOIN turns t ON t.root_id = s.root_id
           WHERE t.id = $1 AND s.deleted_at IS NULL)
         AND (session_id, seq) > ($2, $3)
         AND seq > coalesce((SELECT past.seq FROM unnest($4::text[], $5::bigint[]) AS past (id, seq)
           WHERE past.id = session_id), -1)`,
        'session_id, seq',
      )} e ORDER BY session_id, seq`,
      [turnID, ...after, Object.keys(past), Object.values(past)],
      { read: 'primary' },
    )
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map((row) => ({
      id: row.event_id,
      aggregateID: row.session_id,
      seq: Number(row.seq),
      type: row.type,
      data: row.data,
    }))
    after = [last.session_id, Number(last.seq)]
  }
}

/** The newest event of each session of the family of a turn. */
export async function familyHeads(
  database: Queryable,
  turnID: string,
): Promise<Record<string, { seq: number; id: string }>> {
  const { rows } = await database.query<{ session_id: string; seq: string; event_id: string }>(
    `SELECT e.session_id, e.seq, e.event_id FROM turns t
     JOIN sessions s ON s.root_id = t.root_id AND s.deleted_at IS NULL
     JOIN session_events e ON e.session_id = s.id AND e.seq = s.head_seq WHERE t.id = $1`,
    [turnID],
    { read: 'primary' },
  )
  return Object.fromEntries(
    rows.map(({ session_id, seq, event_id }) => [session_id, { seq: Number(seq), id: event_id }]),
  )
}

async function checkRepeated(tx: Queryable, repeated: readonly DurableEvent[]): Promise<void> {
  if (repeated.length === 0) return
  const { rows } = await tx.query<{ session_id: string; seq: string; event_id: string }>(
    `SELECT e.session_id, e.seq, e.event_id FROM session_events e
     JOIN unnest($1::text[], $2::bigint[]) AS wanted (session_id, seq) USING (session_id, seq)`,
    [repeated.map(({ aggregateID }) => aggregateID), repeated.map(({ seq }) => seq)],
  )
  const known = new Map(rows.map((row) => [`${row.session_id} ${row.seq}`, row.event_id]))
  for (const { aggregateID, seq, id } of repeated) {
    if (known.get(`${aggregateID} ${seq.toString()}`) !== id)
      throw conflict(`place ${seq.toString()} of ${aggregateID} is taken by another event`)
  }
}

async function insert(
  tx: Queryable,
  tenant: string,
  events: readonly AppendedEvent[],
): Promise<void> {
  await tx.query(
    `INSERT INTO session_events (session_id, seq, tenant, tenant_seq, event_id, type, data)
     SELECT session_id, seq, $1, tenant_seq, event_id, type, data
     FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::json[])
       AS t (session_id, seq, tenant_seq, event_id, type, data)`,
    [
      tenant,
      events.map((e) => e.aggregateID),
      events.map((e) => e.seq),
      events.map((e) => e.tenantSeq),
      events.map((e) => e.id),
      events.map((e) => e.type),
      events.map((e) => JSON.stringify(e.data)),
    ],
  )
}

function conflict(detail: string): Problem {
  return new Problem(409, detail, { type: 'sequence-conflict' })
}
