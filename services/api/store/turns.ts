import type { Identity } from '../../runtime/people/identity.ts'
import type { Database, Queryable } from '../../runtime/database/index.ts'
import { Problem } from '../../runtime/problem.ts'
import { turnAttempts } from '../../runtime/turn-attempts.ts'
import { again } from './again.ts'
import type { EngineAnswer, EngineRequest } from './engine-messages.ts'
import { removeRequestsOf } from './requests.ts'
import { deleteSession, lockSession } from './sessions.ts'
import { lockTenant } from './tenants.ts'
import {
  holding,
  isOver,
  leadingTo,
  open,
  waiting,
  type TurnOutcome,
  type TurnStatus,
} from './turn-status.ts'

/** A turn as it comes in. */
export interface NewTurn {
  id: string
  identity: Identity
  sessionID: string
  rootID: string
  request: EngineRequest
  /** Of the request as the client sent it: the same key with another digest is another request. */
  digest: string
  key: string | undefined
  /** Whether the client itself chose the key; one that was derived is nothing to refuse. */
  isKeyGiven: boolean
  traceparent: string | undefined
  /** Whether the session is busy until the turn's end. */
  work: boolean
  /** The user's message that the turn brings, as clients see it until the log has it. */
  prompt: PromptInfo | undefined
}

/** What is known of a user's message before the engine has taken it: without its parts, which are in the request. */
export interface PromptInfo extends Record<string, unknown> {
  id: string
  sessionID: string
}

/** A turn that ended before the engine took its prompt. */
export interface UnrunPrompt {
  id: string
  session_id: string
  user_id: string
  request: EngineRequest
  prompt: PromptInfo
  result: EngineAnswer | null
}

/** Limits of what a tenant may have open, and how long a turn may take. */
export interface TurnLimits {
  /** Turns of a tenant that may wait or run at once. */
  concurrentTurns: number
  /** Longest time a turn may take, seconds. */
  turnSeconds: number
}

/** A turn that is to be put into the queue. */
export interface QueuedTurn {
  id: string
  tenant: string
  session_id: string
  attempt: number
  deadline: Date
  traceparent: string | null
  /** Null for turns of the release before. */
  work: boolean | null
  directory: string
}

/** A turn that the reaper has ended or given back to the queue. */
export interface FoundTurn extends QueuedTurn {
  root_id: string
  status: TurnStatus
  request: EngineRequest
}

/** A turn whose row is locked by the caller's transaction. */
export interface LockedTurn {
  id: string
  tenant: string
  user_id: string
  session_id: string
  root_id: string
  request: EngineRequest
  status: TurnStatus
  attempt: number
  fence: string
  directory: string
  config: Record<string, unknown> | null
  deadline: Date
  forked_id: string | null
  prompt_id: string | null
}

/** How a turn ended. */
export interface TurnEnd {
  status: TurnOutcome
  answer: EngineAnswer
  error?: string | undefined
}

const queuedColumns = `id, tenant, session_id, attempt, deadline, traceparent, work,
  (SELECT directory FROM sessions WHERE sessions.id = session_id) AS directory`
const foundColumns = `${queuedColumns}, root_id, status, request`

/** All statements on turns. */
export class Turns {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Stores a turn, unless its key is known.
   * @returns the id of the turn that has the key already.
   * @throws Problem 429 past the tenant's limit; 422 when the key was used for another request
   */
  async add(turn: NewTurn, limits: TurnLimits): Promise<string | undefined> {
    const { tenant } = turn.identity
    return this.#database.transaction(async (tx) => {
      // The tenant's row makes counting and inserting one step, for the limit and for the key.
      await lockTenant(tx, tenant)
      const known = turn.key === undefined ? undefined : await withKey(tx, tenant, turn.key)
      if (known !== undefined) {
        if (known.request_digest === turn.digest) return known.id
        if (turn.isKeyGiven)
          throw new Problem(
            422,
            'this Idempotency-Key was used for another request; use a new one for each request',
            { type: 'idempotency-key-reused' },
          )
      }
      await checkOpen(tx, tenant, limits.concurrentTurns)
      const key = known === undefined ? turn.key : undefined
      await insert(tx, { ...turn, key }, limits.turnSeconds)
      return undefined
    }, again)
  }

  /** Where a turn stands, with its answer once it is over. @returns undefined when there is no such turn */
  async read(id: string): Promise<{ over: boolean; answer: EngineAnswer | null } | undefined> {
    const { rows } = await this.#database.query<{
      status: TurnStatus
      result: EngineAnswer | null
    }>('SELECT status, result FROM turns WHERE id = $1', [id], { read: 'primary' })
    return rows[0] && { over: isOver(rows[0].status), answer: rows[0].result }
  }

  /** Makes the family's oldest waiting turn the one for the queue. @returns undefined when there is none, or one is ahead */
  async promote(rootID: string): Promise<QueuedTurn | undefined> {
    return this.#database.transaction(async (tx) => {
      await lockSession(tx, rootID)
      const { rows } = await tx.query<QueuedTurn>(
        `UPDATE turns SET status = 'queued', attempt = attempt + 1, queued_at = now()
         WHERE id = (SELECT id FROM turns WHERE root_id = $1 AND status = 'pending'
           ORDER BY created_at, id LIMIT 1)
         AND NOT EXISTS (SELECT 1 FROM turns WHERE root_id = $1 AND status IN ${holding})
         RETURNING ${queuedColumns}`,
        [rootID],
      )
      return rows[0]
    }, again)
  }

  /** Ends what a session has waiting with this answer, and marks what is running. @returns both */
  async abort(
    sessionID: string,
    answer: EngineAnswer,
  ): Promise<{ id: string; status: TurnStatus; attempt: number; work: boolean | null }[]> {
    const { rows } = await this.#database.query<{
      id: string
      status: TurnStatus
      attempt: number
      work: boolean | null
    }>(
      `UPDATE turns SET abort = true,
         status = CASE WHEN status IN ${waiting} THEN 'aborted' ELSE status END,
         finished_at = CASE WHEN status IN ${waiting} THEN now() END,
         result = CASE WHEN status IN ${waiting} THEN $2::json END
       WHERE session_id = $1 AND status IN ${open} RETURNING id, status, attempt, work`,
      [sessionID, JSON.stringify(answer)],
    )
    return rows
  }

  /** The family's turn that a worker has, if any. */
  async running(
    rootID: string,
    from: Queryable = this.#database,
  ): Promise<{ id: string } | undefined> {
    const { rows } = await from.query<{ id: string }>(
      `SELECT id FROM turns WHERE root_id = $1 AND status = 'running'`,
      [rootID],
      { read: 'primary' },
    )
    return rows[0]
  }

  /** Which of the tenant's sessions have work to do. A read of files needs a worker too, but makes no session busy. */
  async busySessions(tenant: string): Promise<string[]> {
    const { rows } = await this.#database.query<{ session_id: string }>(
      `SELECT DISTINCT session_id FROM turns WHERE tenant = $1 AND status IN ${open}
       AND coalesce(work, method IS DISTINCT FROM 'GET')`,
      [tenant],
      { read: 'primary' },
    )
    return rows.map(({ session_id }) => session_id)
  }

  /** How much there is to do everywhere: sessions with open turns, and the age of the oldest turn without a worker, seconds. */
  async load(): Promise<{ sessions: number; oldest: number }> {
    const { rows } = await this.#database.query<{ sessions: string; oldest: number | null }>(
      `SELECT (SELECT count(DISTINCT session_id) FROM turns WHERE status IN ${open}) AS sessions,
         (SELECT extract(epoch FROM now() - min(created_at))::float8 FROM turns
          WHERE status IN ${waiting}) AS oldest`,
      [],
      { read: 'primary' },
    )
    return { sessions: Number(rows[0]?.sessions ?? 0), oldest: rows[0]?.oldest ?? 0 }
  }

  /**
   * Gives the turn to a worker and raises the fence, so that earlier holders can write no more.
   * @param attempt - Only in this attempt: a token of an earlier one takes no turn from a later one.
   * @throws Problem 409 `turn-over`
   */
  async claim(id: string, worker: string, attempt?: number): Promise<LockedTurn> {
    return this.#database.transaction(async (tx) => {
      const turn = await lockTurn(tx, id)
      // What an earlier delivery of a fork has begun is not whole; this one begins another.
      if (turn?.forked_id !== undefined && turn.forked_id !== null)
        await deleteSession(tx, turn.forked_id)
      const { rows } = await tx.query<{ fence: string }>(
        `UPDATE turns SET status = 'running', fence = fence + 1, worker = $2, heartbeat_at = now(),
           started_at = coalesce(started_at, now()), forked_id = NULL
         WHERE id = $1 AND status IN ${leadingTo('running')} AND attempt = coalesce($3, attempt)
         RETURNING fence`,
        [id, worker, attempt ?? null],
      )
      if (turn === undefined || rows[0] === undefined)
        throw new Problem(409, 'the turn is over', { type: 'turn-over' })
      return { ...turn, fence: rows[0].fence }
    }, again)
  }

  /**
   * Says that these turns are alive, in one statement however many they are.
   * @returns those that their worker still has, and whether each is to be aborted
   */
  async heartbeats(
    turns: readonly { id: string; fence: number }[],
  ): Promise<{ id: string; fence: number; abort: boolean }[]> {
    const { rows } = await this.#database.query<{ id: string; fence: string; abort: boolean }>(
      `UPDATE turns SET heartbeat_at = now()
       FROM unnest($1::text[], $2::bigint[]) AS said (id, fence)
       WHERE turns.id = said.id AND turns.fence = said.fence AND status = 'running'
       RETURNING turns.id, turns.fence, abort`,
      [turns.map(({ id }) => id), turns.map(({ fence }) => fence)],
    )
    return rows.map(({ id, fence, abort }) => ({ id, fence: Number(fence), abort }))
  }

  /**
   * Checks that a worker has the turn, in this attempt where one is named.
   * @throws Problem 403 `turn-over`
   */
  async checkRunning(id: string, attempt: number | undefined): Promise<void> {
    const { rows } = await this.#database.query(
      `SELECT 1 FROM turns WHERE id = $1 AND status = 'running' AND attempt = coalesce($2, attempt)`,
      [id, attempt ?? null],
      { read: 'primary' },
    )
    if (rows.length === 0)
      throw new Problem(403, 'the turn of this token is over, or another attempt has it', {
        type: 'turn-over',
      })
  }

  /** @throws Problem 409 `stale-fence` when this attempt has the turn no more */
  async checkHeld(id: string, fence: number): Promise<void> {
    const { rows } = await this.#database.query(
      `SELECT 1 FROM turns WHERE id = $1 AND fence = $2 AND status = 'running'`,
      [id, fence],
      { read: 'primary' },
    )
    if (rows.length === 0) throw stale()
  }

  /** Answers as soon as the primary does. */
  async ping(): Promise<void> {
    await this.#database.query('SELECT 1', [], { read: 'primary' })
  }

  /**
   * Takes turns from workers that have been silent for so many seconds: back to the queue, or ended where that was asked or it has
   * happened {@link turnAttempts.lostWorkers} times. The fence is raised, so that a silent worker can write no more.
   */
  async takeFromSilent(seconds: number): Promise<FoundTurn[]> {
    const { rows } = await this.#database.query<FoundTurn>(
      `UPDATE turns SET
         status = CASE WHEN attempt >= $2 THEN 'dead' WHEN abort THEN 'aborted' ELSE 'queued' END,
         attempt = attempt + 1, fence = fence + 1, queued_at = now(), heartbeat_at = NULL
       WHERE id IN (SELECT id FROM turns WHERE status = 'running'
         AND heartbeat_at < now() - make_interval(secs => $1) FOR UPDATE SKIP LOCKED)
       RETURNING ${foundColumns}`,
      [seconds, turnAttempts.lostWorkers],
    )
    return rows
  }

  /** Fails turns that are past their deadline by more than a worker takes to end them. */
  async expire(): Promise<FoundTurn[]> {
    const { rows } = await this.#database.query<FoundTurn>(
      `UPDATE turns SET status = 'failed' WHERE id IN (
         SELECT id FROM turns WHERE status IN ${leadingTo('failed')}
         AND deadline < now() - interval '30 seconds' FOR UPDATE SKIP LOCKED)
       RETURNING ${foundColumns}`,
    )
    return rows
  }

  /** Keeps the answer of a turn that {@link takeFromSilent} or {@link expire} has ended. */
  async saveAnswer(id: string, answer: EngineAnswer, error: string): Promise<void> {
    await this.#database.query(
      'UPDATE turns SET result = $2, error = $3, finished_at = now() WHERE id = $1',
      [id, JSON.stringify(answer), error],
    )
    await removeRequestsOf(this.#database, id)
  }

  /** Turns that have been queued for two seconds or more, oldest first: the queue should know them. */
  async queued(): Promise<QueuedTurn[]> {
    const { rows } = await this.#database.query<QueuedTurn>(
      `SELECT ${queuedColumns} FROM turns
       WHERE status = 'queued' AND queued_at < now() - interval '2 seconds'
       ORDER BY queued_at LIMIT 1000`,
      [],
      { read: 'primary' },
    )
    return rows
  }

  /** Families with a turn that waits for nothing, or with a prompt that ended before it began and is not in the log. */
  async waitingFamilies(): Promise<string[]> {
    const { rows } = await this.#database.query<{ root_id: string }>(
      `SELECT DISTINCT root_id FROM turns t
       WHERE (status = 'pending' OR (prompt_id IS NOT NULL AND status NOT IN ${open}))
       AND NOT EXISTS (
         SELECT 1 FROM turns o WHERE o.root_id = t.root_id AND o.status IN ${holding}) LIMIT 1000`,
      [],
      { read: 'primary' },
    )
    return rows.map(({ root_id }) => root_id)
  }
}

/** @returns the problem that tells a worker that the turn is no longer its own. */
export function stale(): Problem {
  return new Problem(409, 'a newer attempt has taken this turn, or it is over', {
    type: 'stale-fence',
  })
}

/**
 * Locks a turn that an attempt still has, and its family.
 * @param repeated - A status that is as good as running: a completion may come twice.
 * @throws Problem 409 `stale-fence`
 */
export async function holdTurn(
  tx: Queryable,
  id: string,
  fence: number,
  repeated?: TurnOutcome,
): Promise<LockedTurn> {
  const turn = await lockTurn(tx, id)
  const isHeld = turn?.status === 'running' || (repeated && turn?.status === repeated)
  if (turn === undefined || Number(turn.fence) !== fence || !isHeld) throw stale()
  return turn
}

/** Names the session that a fork's turn has begun. */
export async function setFork(tx: Queryable, id: string, forkedID: string): Promise<void> {
  await tx.query('UPDATE turns SET forked_id = $2 WHERE id = $1', [id, forkedID])
}

/** The log has the turn's prompt, or keeps none. */
export async function forgetPrompt(tx: Queryable, id: string): Promise<void> {
  await tx.query('UPDATE turns SET prompt = NULL, prompt_id = NULL WHERE id = $1', [id])
}

/** Prompts of the family whose turns are over and that are not in the log, oldest first. */
export async function unrunPrompts(from: Queryable, rootID: string): Promise<UnrunPrompt[]> {
  const { rows } = await from.query<UnrunPrompt>(
    `SELECT id, session_id, user_id, request, prompt, result FROM turns
     WHERE session_id IN (SELECT id FROM sessions WHERE root_id = $1 AND deleted_at IS NULL)
     AND prompt_id IS NOT NULL AND status NOT IN ${open} ORDER BY created_at, id`,
    [rootID],
    { read: 'primary' },
  )
  return rows
}

/** Prompts of a session that the log does not have yet. */
export async function promptsOf(
  from: Queryable,
  sessionID: string,
): Promise<Pick<UnrunPrompt, 'prompt' | 'request'>[]> {
  const { rows } = await from.query<Pick<UnrunPrompt, 'prompt' | 'request'>>(
    `SELECT prompt, request FROM turns t WHERE session_id = $1 AND prompt_id IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.session_id = t.session_id AND m.id = prompt_id)`,
    [sessionID],
    { read: 'primary' },
  )
  return rows
}

/** Whether the session has other work open than this turn. */
export async function hasOtherWork(
  tx: Queryable,
  sessionID: string,
  turnID: string,
): Promise<boolean> {
  const { rows } = await tx.query(
    `SELECT 1 FROM turns WHERE session_id = $1 AND id <> $2 AND work AND status IN ${open} LIMIT 1`,
    [sessionID, turnID],
  )
  return rows.length > 0
}

/** Ends a turn that the caller holds. @returns how long it took, seconds */
export async function endTurn(
  tx: Queryable,
  id: string,
  { status, answer, error }: TurnEnd,
): Promise<number> {
  const { rows } = await tx.query<{ seconds: number }>(
    `UPDATE turns SET status = $2, result = $3, error = $4, finished_at = now() WHERE id = $1
     RETURNING extract(epoch FROM now() - created_at)::float8 AS seconds`,
    [id, status, JSON.stringify(answer), error ?? null],
  )
  await removeRequestsOf(tx, id)
  return rows[0]?.seconds ?? 0
}

async function lockTurn(tx: Queryable, id: string): Promise<LockedTurn | undefined> {
  // The root's row first: promotion and idle appends take it too, so that one of them wins and the other sees it.
  await tx.query(
    `SELECT 1 FROM sessions WHERE id = (SELECT root_id FROM turns WHERE id = $1)
     FOR NO KEY UPDATE`,
    [id],
  )
  const { rows } = await tx.query<LockedTurn>(
    `SELECT t.id, t.tenant, t.user_id, t.session_id, t.root_id, t.request, t.status, t.attempt,
       t.fence, t.deadline, t.forked_id, t.prompt_id, s.directory, tenants.config
     FROM turns t JOIN sessions s ON s.id = t.session_id JOIN tenants ON tenants.id = t.tenant
     WHERE t.id = $1 FOR UPDATE OF t`,
    [id],
  )
  return rows[0]
}

async function withKey(
  tx: Queryable,
  tenant: string,
  key: string,
): Promise<{ id: string; request_digest: string } | undefined> {
  const { rows } = await tx.query<{ id: string; request_digest: string }>(
    'SELECT id, request_digest FROM turns WHERE tenant = $1 AND idempotency_key = $2',
    [tenant, key],
  )
  return rows[0]
}

async function checkOpen(tx: Queryable, tenant: string, limit: number): Promise<void> {
  const { rows } = await tx.query<{ open: string }>(
    `SELECT count(*) AS open FROM turns WHERE tenant = $1 AND status IN ${open}`,
    [tenant],
  )
  if (Number(rows[0]?.open) < limit) return
  throw new Problem(
    429,
    `your tenant has ${limit.toString()} turns waiting or running, which is the limit; wait for one to end`,
    { type: 'too-many-turns', headers: { 'retry-after': '5' } },
  )
}

async function insert(tx: Queryable, turn: NewTurn, seconds: number): Promise<void> {
  await tx.query(
    `INSERT INTO turns (id, tenant, user_id, session_id, root_id, request, request_digest,
       idempotency_key, status, traceparent, method, work, prompt, prompt_id, deadline)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $11, $12, $13,
       now() + make_interval(secs => $14))`,
    [
      turn.id,
      turn.identity.tenant,
      turn.identity.user,
      turn.sessionID,
      turn.rootID,
      JSON.stringify(turn.request),
      turn.digest,
      turn.key ?? null,
      turn.traceparent ?? null,
      turn.request.method,
      turn.work,
      turn.prompt === undefined ? null : JSON.stringify(turn.prompt),
      turn.prompt?.id ?? null,
      seconds,
    ],
  )
}
