import type { Database, Queryable } from '../../runtime/database/index.ts'
import type { Identity } from '../../runtime/people/identity.ts'
import { Problem } from '../../runtime/problem.ts'

/** A session as stored. */
export interface StoredSession {
  id: string
  tenant: string
  user: string
  rootID: string
  parentID: string | null
  directory: string
  head: number
  info: Record<string, unknown>
  todos: unknown[]
  diff: unknown[]
}

/** The project that the engine took a session's directory for when its last turn ended. */
export interface Project {
  /** Hash of the repository's first commit; `global` without one. */
  id: string
  vcs?: 'git' | undefined
  /** Milliseconds since the epoch. */
  time: { created: number; updated: number }
}

/** A message with its parts, as clients see it. */
export interface StoredMessage {
  info: Record<string, unknown>
  parts: Record<string, unknown>[]
}

/** How sessions are listed. */
export interface SessionFilter {
  roots?: boolean
  /** Milliseconds since the epoch; sessions changed before are left out. */
  start?: number | undefined
  search?: string | undefined
  limit?: number | undefined
  /** Only the session that works in this directory. */
  directory?: string | undefined
  /** @default false */
  oldestFirst?: boolean
}

interface SessionRecord {
  id: string
  tenant: string
  user_id: string
  root_id: string
  parent_id: string | null
  directory: string
  head_seq: string
  info: Record<string, unknown>
  todos: unknown[] | null
  diff: unknown[] | null
}

const columns = 'id, tenant, user_id, root_id, parent_id, directory, head_seq, info, todos, diff'

/** Reads of sessions and messages. Every query names the tenant: what is another's does not exist. */
export class Sessions {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** @throws Problem 404, also for another tenant's session */
  async get(
    { tenant }: Pick<Identity, 'tenant'>,
    id: string,
    from: Queryable = this.#database,
  ): Promise<StoredSession> {
    const { rows } = await from.query<SessionRecord>(
      `SELECT ${columns} FROM sessions WHERE id = $1 AND tenant = $2 AND deleted_at IS NULL`,
      [id, tenant],
      { read: 'primary' },
    )
    if (rows[0] === undefined) throw new Problem(404, `Session not found: ${id.slice(0, 80)}`)
    return fromRecord(rows[0])
  }

  async list(
    { tenant }: Identity,
    { roots = false, start, search, limit = 100, directory, oldestFirst = false }: SessionFilter,
  ): Promise<StoredSession[]> {
    const { rows } = await this.#database.query<SessionRecord>(
      `SELECT ${columns} FROM sessions WHERE tenant = $1 AND deleted_at IS NULL
       AND ($2 = false OR parent_id IS NULL) AND ($3::timestamptz IS NULL OR updated_at >= $3) AND ($4::text IS NULL OR strpos(lower(title), $4) > 0)
       AND ($6::text IS NULL OR directory = $6)
       ORDER BY updated_at ${oldestFirst ? 'ASC' : 'DESC'}, id LIMIT $5`,
      [
        tenant,
        roots,
        start === undefined ? null : new Date(start),
        search?.toLowerCase() ?? null,
        limit,
        directory ?? null,
      ],
      { read: 'primary' },
    )
    return rows.map(fromRecord)
  }

  /** The project of a session's directory; undefined before its first turn. */
  async project({ tenant }: Identity, rootID: string): Promise<Project | undefined> {
    const { rows } = await this.#database.query<{ project: Project | null }>(
      'SELECT project FROM sessions WHERE id = $1 AND tenant = $2',
      [rootID, tenant],
      { read: 'primary' },
    )
    return rows[0]?.project ?? undefined
  }

  async children({ tenant }: Identity, id: string): Promise<StoredSession[]> {
    const { rows } = await this.#database.query<SessionRecord>(
      `SELECT ${columns} FROM sessions WHERE tenant = $1 AND parent_id = $2 AND deleted_at IS NULL ORDER BY id DESC`,
      [tenant, id],
      { read: 'primary' },
    )
    return rows.map(fromRecord)
  }

  /** Messages, oldest first. @param limit - Only the newest so many. @param before - Only those before this id. */
  async messages(
    sessionID: string,
    { limit, before, id }: { limit?: number; before?: string; id?: string } = {},
  ): Promise<StoredMessage[]> {
    const { rows } = await this.#database.query<{
      info: Record<string, unknown>
      parts: Record<string, unknown>[] | null
    }>(
      `SELECT m.info, (SELECT json_agg(p.data ORDER BY p.id) FROM parts p WHERE p.session_id = m.session_id AND p.message_id = m.id) AS parts
       FROM messages m WHERE m.session_id = $1 AND ($2::text IS NULL OR m.id < $2) AND ($4::text IS NULL OR m.id = $4)
       ORDER BY m.id DESC LIMIT $3`,
      [sessionID, before ?? null, limit ?? null, id ?? null],
      { read: 'primary' },
    )
    return rows.reverse().map(({ info, parts }) => ({ info, parts: parts ?? [] }))
  }
}

/** A session as appending to its log knows it. */
export interface SessionRow {
  id: string
  head: number
  directory: string
  rootID: string
  isNew: boolean
}

/** What the engine says of a session, as far as it is kept in columns. */
export interface SessionInfo {
  id: string
  parentID?: string
  title?: string
  directory?: string
  time?: { updated?: number }
}

/** Locks a session's row; the root's row stands for its whole family. */
export async function lockSession(tx: Queryable, id: string): Promise<void> {
  await tx.query('SELECT 1 FROM sessions WHERE id = $1 FOR NO KEY UPDATE', [id])
}

/** Locks these sessions, in the order of their ids. Those that do not exist are left out. */
export async function lockSessions(
  tx: Queryable,
  ids: readonly string[],
): Promise<(SessionRow & { tenant: string })[]> {
  const { rows } = await tx.query<SessionRecord>(
    `SELECT ${columns} FROM sessions WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`,
    [ids],
  )
  return rows.map((row) => ({
    id: row.id,
    tenant: row.tenant,
    head: Number(row.head_seq),
    directory: row.directory,
    rootID: row.root_id,
    isNew: false,
  }))
}

/** What a session says of itself. @returns undefined when there is none, or it was deleted */
export async function sessionInfo(
  tx: Queryable,
  id: string,
): Promise<Record<string, unknown> | undefined> {
  const { rows } = await tx.query<{ info: Record<string, unknown> }>(
    'SELECT info FROM sessions WHERE id = $1 AND deleted_at IS NULL',
    [id],
  )
  return rows[0]?.info
}

/** What is needed to append to a session's log. */
export async function sessionToAppend(
  tx: Queryable,
  id: string,
): Promise<{ tenant: string; rootID: string; directory: string; head: number }> {
  const { rows } = await tx.query<SessionRecord>(`SELECT ${columns} FROM sessions WHERE id = $1`, [
    id,
  ])
  if (rows[0] === undefined) throw new Problem(404, `Session not found: ${id.slice(0, 80)}`)
  const { tenant, rootID, directory, head } = fromRecord(rows[0])
  return { tenant, rootID, directory, head }
}

/** The id of the session's newest message. */
export async function newestMessage(
  from: Queryable,
  sessionID: string,
): Promise<string | undefined> {
  const { rows } = await from.query<{ id: string }>(
    'SELECT id FROM messages WHERE session_id = $1 ORDER BY id DESC LIMIT 1',
    [sessionID],
    { read: 'primary' },
  )
  return rows[0]?.id
}

/** The place of the session's newest event. */
export async function sessionHead(tx: Queryable, id: string): Promise<number> {
  const { rows } = await tx.query<{ head_seq: string }>(
    'SELECT head_seq FROM sessions WHERE id = $1',
    [id],
  )
  return Number(rows[0]?.head_seq)
}

/** Saves a session's new head, and what its events said of it. */
export async function saveSession(
  tx: Queryable,
  owner: { tenant: string; user: string },
  session: SessionRow,
  info: SessionInfo | undefined,
): Promise<void> {
  const updated = new Date(info?.time?.updated ?? Date.now())
  if (session.isNew) {
    await tx.query(
      `INSERT INTO sessions (id, tenant, user_id, root_id, parent_id, directory, title, info, head_seq, updated_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        session.id,
        owner.tenant,
        owner.user,
        session.rootID,
        info?.parentID ?? null,
        session.directory,
        info?.title ?? '',
        JSON.stringify(info ?? {}),
        session.head,
        updated,
      ],
    )
  } else if (info === undefined) {
    await tx.query('UPDATE sessions SET head_seq = $2, updated_at = now() WHERE id = $1', [
      session.id,
      session.head,
    ])
  } else {
    await tx.query(
      'UPDATE sessions SET head_seq = $2, title = $3, info = $4, updated_at = $5 WHERE id = $1',
      [session.id, session.head, info.title ?? '', JSON.stringify(info), updated],
    )
  }
}

/** Takes a session out of every list; its rows stay. */
export async function deleteSession(tx: Queryable, id: string): Promise<void> {
  await tx.query('UPDATE sessions SET deleted_at = now() WHERE id = $1', [id])
}

/** Keeps the newest todo list or file differences of a session of this family. */
export async function saveLatest(
  tx: Queryable,
  { id, rootID }: { id: string; rootID: string },
  what: 'todos' | 'diff',
  value: unknown,
): Promise<void> {
  await tx.query(`UPDATE sessions SET ${what} = $3 WHERE id = $1 AND root_id = $2`, [
    id,
    rootID,
    JSON.stringify(value ?? []),
  ])
}

function fromRecord(row: SessionRecord): StoredSession {
  return {
    id: row.id,
    tenant: row.tenant,
    user: row.user_id,
    rootID: row.root_id,
    parentID: row.parent_id,
    directory: row.directory,
    head: Number(row.head_seq),
    info: row.info,
    todos: row.todos ?? [],
    diff: row.diff ?? [],
  }
}

/** Keeps what a session family's directory is now. */
export async function setProject(
  tx: Queryable,
  rootID: string,
  { id, vcs }: Omit<Project, 'time'>,
): Promise<void> {
  const { rows } = await tx.query<{ project: Project | null }>(
    'SELECT project FROM sessions WHERE id = $1',
    [rootID],
  )
  const known = rows[0]?.project
  if (known?.id === id && known.vcs === vcs) return
  const now = Date.now()
  const project: Project = { id, vcs, time: { created: now, updated: now } }
  await tx.query('UPDATE sessions SET project = $2 WHERE id = $1', [
    rootID,
    JSON.stringify(project),
  ])
}

/** Which of these sessions are of the family, or the fork of it, and not deleted. */
export async function familyMembers(
  tx: Queryable,
  rootID: string,
  forkedID: string | undefined,
  ids: readonly string[],
): Promise<Set<string>> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM sessions WHERE id = ANY($1) AND (root_id = $2 OR id = $3)
     AND deleted_at IS NULL`,
    [ids, rootID, forkedID ?? null],
  )
  return new Set(rows.map(({ id }) => id))
}

/** Which of these parts the sessions have. */
export async function findParts(
  tx: Queryable,
  sessionIDs: readonly string[],
  ids: readonly string[],
): Promise<{ session_id: string; message_id: string; id: string }[]> {
  const { rows } = await tx.query<{ session_id: string; message_id: string; id: string }>(
    'SELECT session_id, message_id, id FROM parts WHERE session_id = ANY($1) AND id = ANY($2)',
    [sessionIDs, ids],
  )
  return rows
}
