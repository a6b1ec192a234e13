import { dirname } from 'node:path'
import type { DurableEvent, PassingEvent, TurnEvent } from '../../protocol/events.ts'
import type { Database, Queryable, TransactionOptions } from '../../runtime/database/index.ts'
import { createID } from '../../runtime/ids.ts'
import { Problem } from '../../runtime/problem.ts'
import type { FeedItem } from '../events/feed.ts'
import { busType } from '../events/feed.ts'
import { append, type AppendedEvent } from '../store/events.ts'
import { setProject, type Project, type StoredSession } from '../store/sessions.ts'
import type { EndedTurn } from './ending.ts'
import type { EngineAnswer, EngineRequest } from './service.ts'

/** How a turn ended, as its worker says. */
export interface Completion {
  outcome: 'completed' | 'failed' | 'aborted'
  response: EngineAnswer
  error?: string | undefined
  /** It failed as often as it may: kept as `dead`, for people to look into. */
  givenUp?: boolean | undefined
  /** What the engine takes the session's directory for. */
  project?: Omit<Project, 'time'> | undefined
}

/** A turn as its worker gets it. */
export interface ClaimedTurn {
  turn: {
    id: string
    sessionID: string
    directory: string
    request: EngineRequest
    attempt: number
    config: Record<string, unknown> | null
    deadline: string
  }
  fence: number
}

interface TurnRow {
  id: string
  tenant: string
  user_id: string
  session_id: string
  root_id: string
  request: EngineRequest
  status: string
  attempt: number
  fence: string
  directory: string
  config: Record<string, unknown> | null
  deadline: Date
  forked_id: string | null
}

interface EventRow {
  session_id: string
  seq: string
  event_id: string
  type: string
  data: Record<string, unknown>
}

/** What the log's new events mean for clients. */
export interface Published {
  tenant: string
  items: FeedItem[]
}

/** A transaction that was cut off before its COMMIT has done nothing, so it can be run again. */
export const again: TransactionOptions = { attempts: 3 }

/** What workers do with turns. Each write holds the turn's row and checks the fence in the same transaction. */
export class TurnWork {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Gives the turn to a worker; earlier holders can write no more. @throws Problem 409 when it is over */
  async claim(turnID: string, worker: string): Promise<ClaimedTurn> {
    return this.#database.transaction(async (tx) => {
      const turn = await locked(tx, turnID)
      if (turn === undefined || (turn.status !== 'queued' && turn.status !== 'running'))
        throw new Problem(409, 'the turn is over', { type: 'turn-over' })
      // What an earlier delivery of a fork has begun is not whole; this one begins another.
      if (turn.forked_id !== null)
        await tx.query('UPDATE sessions SET deleted_at = now() WHERE id = $1', [turn.forked_id])
      const { rows } = await tx.query<{ fence: string }>(
        `UPDATE turns SET status = 'running', fence = fence + 1, worker = $2, heartbeat_at = now(),
           started_at = coalesce(started_at, now()), forked_id = NULL
         WHERE id = $1 RETURNING fence`,
        [turnID, worker],
      )
      const { id, session_id: sessionID, directory, request, attempt, config, deadline } = turn
      const claimed = {
        id,
        sessionID,
        directory,
        request,
        attempt,
        config,
        deadline: deadline.toISOString(),
      }
      return { turn: claimed, fence: Number(rows[0]?.fence) }
    }, again)
  }

  /** The durable events of the session's family, a page at a time. */
  async *history(turnID: string): AsyncGenerator<DurableEvent[]> {
    let after = ['', -1] as [string, number]
    for (;;) {
      const { rows } = await this.#database.query<EventRow>(
        `SELECT e.session_id, e.seq, e.event_id, e.type, e.data FROM session_events e
         WHERE e.session_id IN (SELECT s.id FROM sessions s JOIN turns t ON t.root_id = s.root_id WHERE t.id = $1 AND s.deleted_at IS NULL)
         AND (e.session_id, e.seq) > ($2, $3) ORDER BY e.session_id, e.seq LIMIT 500`,
        [turnID, ...after],
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

  /**
   * Appends what the engine has done.
   * @returns what clients get, in the engine's order; what was appended before is not in it.
   * @throws Problem 409 `stale-fence`
   */
  async events(
    turnID: string,
    fence: number,
    events: readonly TurnEvent[],
  ): Promise<Published & { heads: Record<string, number> }> {
    return this.#database.transaction(async (tx) => {
      const turn = await held(tx, turnID, fence)
      const durable = events.filter((event) => event.kind === 'durable')
      const forks = turn.request.path.endsWith('/fork')
      const scope = {
        tenant: turn.tenant,
        user: turn.user_id,
        rootID: turn.root_id,
        directory: turn.directory,
        mayBegin: forks && turn.forked_id === null,
        forkedID: turn.forked_id ?? undefined,
      }
      const forkedID =
        turn.forked_id ??
        (forks ? durable.find(({ type }) => type === 'session.created.1')?.aggregateID : undefined)
      const appended = await append(
        tx,
        scope,
        durable.map((event) => inOwnDirectory(event, forkedID, turn.directory)),
      )
      const begun = forks
        ? appended.events.find(({ type }) => type === 'session.created.1')?.aggregateID
        : undefined
      if (begun !== undefined)
        await tx.query('UPDATE turns SET forked_id = $2 WHERE id = $1', [turnID, begun])
      const fresh = new Map(appended.events.map((event) => [placeOf(event), event]))
      const items: FeedItem[] = []
      for (const event of events) {
        if (event.kind === 'durable') {
          const stored = fresh.get(placeOf(event))
          if (stored !== undefined) items.push(toItem(stored))
        } else {
          await remember(tx, turn, event)
          const { id, type, properties } = event
          items.push({ seq: null, event: { id, type, properties }, directory: turn.directory })
        }
      }
      return { tenant: turn.tenant, heads: appended.heads, items }
    }, again)
  }

  /** @returns whether the turn is to be aborted. @throws Problem 409 `stale-fence` */
  async heartbeat(turnID: string, fence: number): Promise<boolean> {
    const { rows } = await this.#database.query<{ abort: boolean }>(
      `UPDATE turns SET heartbeat_at = now() WHERE id = $1 AND fence = $2 AND status = 'running' RETURNING abort`,
      [turnID, fence],
    )
    if (rows[0] === undefined) throw stale()
    return rows[0].abort
  }

  /** Ends the turn. @returns what it was, and how long it took in seconds. @throws Problem 409 `stale-fence` */
  async complete(
    turnID: string,
    fence: number,
    { outcome, response, error, givenUp = false, project }: Completion,
  ): Promise<{ rootID: string; tenant: string; seconds: number; ended: EndedTurn }> {
    return this.#database.transaction(async (tx) => {
      const status = givenUp ? 'dead' : outcome
      const turn = await held(tx, turnID, fence, status)
      const { rows } = await tx.query<{ seconds: number }>(
        `UPDATE turns SET status = $2, result = $3, error = $4, finished_at = now() WHERE id = $1
         RETURNING extract(epoch FROM now() - created_at)::float8 AS seconds`,
        [turnID, status, JSON.stringify(response), error ?? null],
      )
      await tx.query('DELETE FROM requests WHERE turn_id = $1', [turnID])
      if (project !== undefined) await setProject(tx, turn.root_id, project)
      const ended = { sessionID: turn.session_id, directory: turn.directory, request: turn.request }
      return { rootID: turn.root_id, tenant: turn.tenant, seconds: rows[0]?.seconds ?? 0, ended }
    }, again)
  }

  /**
   * Appends events of the API's own while no worker has the session.
   * @returns undefined when one has it: ask it instead.
   */
  async appendIdle(
    session: StoredSession,
    changes: { type: string; data: Record<string, unknown> }[],
  ): Promise<FeedItem[] | undefined> {
    return this.#database.transaction(async (tx) => {
      await tx.query('SELECT 1 FROM sessions WHERE id = $1 FOR NO KEY UPDATE', [session.rootID])
      const { rows: busy } = await tx.query(
        `SELECT 1 FROM turns WHERE root_id = $1 AND status = 'running'`,
        [session.rootID],
      )
      if (busy.length > 0) return undefined
      const { rows } = await tx.query<{ head_seq: string }>(
        'SELECT head_seq FROM sessions WHERE id = $1',
        [session.id],
      )
      const first = Number(rows[0]?.head_seq) + 1
      const scope = {
        tenant: session.tenant,
        user: session.user,
        rootID: session.rootID,
        directory: session.directory,
        mayBegin: false,
      }
      const durable = changes.map((change, index) => ({
        ...change,
        id: createID('event'),
        aggregateID: session.id,
        seq: first + index,
      }))
      return (await append(tx, scope, durable)).events.map(toItem)
    }, again)
  }

  /** Creates a session. */
  async createSession(
    scope: { tenant: string; user: string; rootID: string; directory: string },
    info: { id: string },
  ): Promise<FeedItem[]> {
    await this.#database.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [
      scope.tenant,
    ])
    const created = {
      id: createID('event'),
      aggregateID: info.id,
      seq: 0,
      type: 'session.created.1',
      data: { sessionID: info.id, info },
    }
    const { events } = await this.#database.transaction(
      (tx) => append(tx, { ...scope, mayBegin: true }, [created]),
      again,
    )
    return events.map(toItem)
  }
}

/** Names an event of the log within a turn. */
function placeOf({ aggregateID, seq }: DurableEvent): string {
  return `${aggregateID} ${seq.toString()}`
}

function toItem(event: AppendedEvent): FeedItem {
  return {
    seq: event.tenantSeq,
    event: { id: event.id, type: busType(event.type), properties: event.data },
    directory: event.directory,
  }
}

/** A fork has files of its own, and so a directory of its own beside its source's, which is the one that the engine gives it. */
function inOwnDirectory(
  event: DurableEvent,
  forkedID: string | undefined,
  source: string,
): DurableEvent {
  const info = event.data['info'] as { directory?: string } | undefined
  if (
    event.aggregateID !== forkedID ||
    !event.type.startsWith('session.') ||
    info?.directory === undefined
  )
    return event
  const directory = `${dirname(source)}/${forkedID}`
  return {
    ...event,
    data: { ...event.data, info: { ...info, directory, path: directory.slice(1) } },
  }
}

async function locked(tx: Queryable, turnID: string): Promise<TurnRow | undefined> {
  // The root's row first: promotion and idle appends take it too, so that one of them wins and the other sees it.
  await tx.query(
    'SELECT 1 FROM sessions WHERE id = (SELECT root_id FROM turns WHERE id = $1) FOR NO KEY UPDATE',
    [turnID],
  )
  const { rows } = await tx.query<TurnRow>(
    `SELECT t.id, t.tenant, t.user_id, t.session_id, t.root_id, t.request, t.status, t.attempt, t.fence, t.deadline, t.forked_id, s.directory,
       tenants.config
     FROM turns t JOIN sessions s ON s.id = t.session_id JOIN tenants ON tenants.id = t.tenant WHERE t.id = $1 FOR UPDATE OF t`,
    [turnID],
  )
  return rows[0]
}

async function held(
  tx: Queryable,
  turnID: string,
  fence: number,
  repeated?: string,
): Promise<TurnRow> {
  const turn = await locked(tx, turnID)
  if (
    turn === undefined ||
    Number(turn.fence) !== fence ||
    (turn.status !== 'running' && turn.status !== repeated)
  )
    throw stale()
  return turn
}

/** @returns the problem that tells a worker that the turn is no longer its own. */
export function stale(): Problem {
  return new Problem(409, 'a newer attempt has taken this turn, or it is over', {
    type: 'stale-fence',
  })
}

/** Keeps what later requests ask for, of what passes by only once. */
async function remember(
  tx: Queryable,
  turn: TurnRow,
  { type, properties }: PassingEvent,
): Promise<void> {
  const session =
    typeof properties['sessionID'] === 'string' ? properties['sessionID'] : turn.session_id
  if (type === 'todo.updated') {
    await tx.query('UPDATE sessions SET todos = $3 WHERE id = $1 AND root_id = $2', [
      session,
      turn.root_id,
      JSON.stringify(properties['todos'] ?? []),
    ])
  } else if (type === 'session.diff') {
    await tx.query('UPDATE sessions SET diff = $3 WHERE id = $1 AND root_id = $2', [
      session,
      turn.root_id,
      JSON.stringify(properties['diff'] ?? []),
    ])
  } else if (type === 'permission.asked' || type === 'question.asked') {
    await tx.query(
      'INSERT INTO requests (id, tenant, session_id, turn_id, kind, data) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING',
      [
        properties['id'],
        turn.tenant,
        session,
        turn.id,
        type.split('.')[0],
        JSON.stringify(properties),
      ],
    )
  } else if (/^(permission|question)\.(replied|rejected)$/.test(type)) {
    const id = properties['requestID'] ?? properties['permissionID'] ?? properties['id']
    await tx.query('DELETE FROM requests WHERE id = $1 AND tenant = $2', [id, turn.tenant])
  }
}
