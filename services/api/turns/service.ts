import { createHash } from 'node:crypto'
import type { Database, Queryable } from '../../runtime/database/index.ts'
import type { Identity } from '../../runtime/auth.ts'
import { createID } from '../../runtime/ids.ts'
import type { Logger } from '../../runtime/logger.ts'
import { errorFields } from '../../runtime/logger.ts'
import { Problem } from '../../runtime/problem.ts'
import { traceparent } from '../../runtime/tracing.ts'
import type { FeedItem } from '../events/feed.ts'
import type { StoredSession } from '../store/sessions.ts'
import type { TurnCommands } from './commands.ts'
import { failureItems } from './ending.ts'
import type { TurnQueue } from './queue.ts'
import type { TurnTokens } from './token.ts'
import type { TurnWaiter } from './waiter.ts'
import { again } from './work.ts'

/** A request to be made against a session's engine. */
export interface EngineRequest {
  method: string
  path: string
  query?: Record<string, string>
  body?: unknown
}

/** What the engine answered. */
export interface EngineAnswer {
  status: number
  headers: Record<string, string>
  body: unknown
}

/** A client's key for a request, and the body as the client sent it, before ids were added. */
export interface Idempotency {
  key: string | undefined
  body: unknown
}

/** What {@link TurnService} works with. */
export interface TurnServiceOptions {
  database: Database
  queue: TurnQueue
  tokens: TurnTokens
  commands: TurnCommands
  waiter: TurnWaiter
  logger: Logger
  /** Tells a tenant's clients. */
  publish(tenant: string, items: readonly FeedItem[]): void
  /** Turns of a tenant that may wait or run at once. */
  concurrentTurns: number
  /** Longest time a turn may take, seconds. */
  turnSeconds: number
}

interface Promoted {
  id: string
  tenant: string
  session_id: string
  attempt: number
  deadline: Date
  traceparent: string | null
}

/** Takes turns in, gives them to the queue one at a time a session, and waits for their ends. */
export class TurnService {
  readonly #options: TurnServiceOptions

  constructor(options: TurnServiceOptions) {
    this.#options = options
  }

  /**
   * Stores a turn and queues it when it is the session's first.
   * @param idempotency - The same key is the same turn.
   * @returns the turn's id.
   * @throws Problem 429 past the tenant's limit; 422 when the key was used for another request
   */
  async submit(
    identity: Identity,
    session: StoredSession,
    request: EngineRequest,
    idempotency?: Idempotency,
  ): Promise<string> {
    const { database, concurrentTurns, turnSeconds } = this.#options
    const said = JSON.stringify([
      session.id,
      request.method,
      request.path,
      request.query,
      idempotency?.body,
    ])
    const digest = createHash('sha256').update(said).digest('hex')
    const key = idempotency?.key
    const id = createID('turn')
    const existing = await database.transaction(async (tx) => {
      // The tenant's row makes counting and inserting one step, for the limit and for the key.
      await tx.query('SELECT 1 FROM tenants WHERE id = $1 FOR NO KEY UPDATE', [identity.tenant])
      const known = key === undefined ? undefined : await turnWithKey(tx, identity.tenant, key)
      if (known !== undefined) {
        if (known.request_digest === digest) return known.id
        throw new Problem(
          422,
          'this Idempotency-Key was used for another request; use a new one for each request',
          { type: 'idempotency-key-reused' },
        )
      }
      const { rows } = await tx.query<{ open: string }>(
        `SELECT count(*) AS open FROM turns WHERE tenant = $1 AND status IN ('pending', 'queued', 'running')`,
        [identity.tenant],
      )
      if (Number(rows[0]?.open) >= concurrentTurns) {
        throw new Problem(
          429,
          `your tenant has ${concurrentTurns.toString()} turns waiting or running, which is the limit; wait for one to end`,
          { type: 'too-many-turns', headers: { 'retry-after': '5' } },
        )
      }
      await tx.query(
        `INSERT INTO turns (id, tenant, user_id, session_id, root_id, request, request_digest, idempotency_key, status, traceparent, method, deadline)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, now() + make_interval(secs => $11))`,
        [
          id,
          identity.tenant,
          identity.user,
          session.id,
          session.rootID,
          JSON.stringify(request),
          digest,
          key ?? null,
          traceparent() ?? null,
          request.method,
          turnSeconds,
        ],
      )
      return undefined
    }, again)
    if (existing !== undefined) return existing
    await this.promote(session.rootID)
    return id
  }

  /** Waits for a turn's end. @throws when the client goes away */
  async answer(turnID: string, signal?: AbortSignal): Promise<EngineAnswer> {
    return this.#options.waiter.until(
      turnID,
      async () => {
        const { rows } = await this.#options.database.query<{
          status: string
          result: EngineAnswer | null
        }>('SELECT status, result FROM turns WHERE id = $1', [turnID], { read: 'primary' })
        const row = rows[0]
        if (row === undefined) return gone
        if (['pending', 'queued', 'running'].includes(row.status)) return undefined
        return row.result ?? gone
      },
      signal,
    )
  }

  /** Gives the family's next turn to the queue, unless one is there already. */
  async promote(rootID: string): Promise<void> {
    const { database } = this.#options
    const next = await database.transaction(async (tx) => {
      await tx.query('SELECT 1 FROM sessions WHERE id = $1 FOR NO KEY UPDATE', [rootID])
      const { rows } = await tx.query<Promoted>(
        `UPDATE turns SET status = 'queued', attempt = attempt + 1, queued_at = now()
         WHERE id = (SELECT id FROM turns WHERE root_id = $1 AND status = 'pending' ORDER BY created_at, id LIMIT 1)
         AND NOT EXISTS (SELECT 1 FROM turns WHERE root_id = $1 AND status IN ('queued', 'running'))
         RETURNING id, tenant, session_id, attempt, deadline, traceparent`,
        [rootID],
      )
      return rows[0]
    }, again)
    if (next !== undefined) await this.enqueue(next)
  }

  /** Puts a turn's current attempt into the queue. Where Redis is away the reaper does it later. */
  async enqueue(turn: Promoted): Promise<void> {
    const { queue, tokens, logger } = this.#options
    try {
      const token = await tokens.sign(
        { turn: turn.id, session: turn.session_id, tenant: turn.tenant },
        turn.deadline,
      )
      await queue.add(
        {
          turnId: turn.id,
          token,
          ...(turn.traceparent === null ? {} : { traceparent: turn.traceparent }),
        },
        turn.attempt,
      )
    } catch (error) {
      logger.warn(
        { turn: turn.id, ...errorFields(error) },
        'the turn is queued later, when Redis is back',
      )
    }
  }

  /** Aborts what a session has waiting and running. */
  async abort(session: StoredSession): Promise<void> {
    const { database, commands, waiter, queue, publish } = this.#options
    const { rows } = await database.query<{
      id: string
      status: string
      attempt: number
      request: EngineRequest
    }>(
      `UPDATE turns SET abort = true, status = CASE WHEN status = 'running' THEN status ELSE 'aborted' END,
         finished_at = CASE WHEN status = 'running' THEN NULL ELSE now() END, result = CASE WHEN status = 'running' THEN NULL ELSE $2::json END
       WHERE session_id = $1 AND status IN ('pending', 'queued', 'running') RETURNING id, status, attempt, request`,
      [session.id, JSON.stringify(abortedBeforeStart)],
    )
    await Promise.all(
      rows.map(async ({ id, status, attempt }) => {
        if (status === 'running') await commands.abort(id).catch(() => undefined)
        else {
          await queue.remove(id, attempt).catch(() => undefined)
          await waiter.over(id).catch(() => undefined)
        }
      }),
    )
    if (rows.every(({ status }) => status === 'aborted')) {
      const { id: sessionID, directory, tenant } = session
      for (const { request } of rows)
        publish(tenant, failureItems({ sessionID, directory, request }, abortedBeforeStart))
    }
    if (rows.some(({ status }) => status === 'aborted')) await this.promote(session.rootID)
  }

  /** The family's turn that a worker has, if any. */
  async running(rootID: string): Promise<string | undefined> {
    const { rows } = await this.#options.database.query<{ id: string }>(
      `SELECT id FROM turns WHERE root_id = $1 AND status = 'running'`,
      [rootID],
      { read: 'primary' },
    )
    return rows[0]?.id
  }

  /** Asks the engine: the one that runs the session now, or one that gets the session for this request. */
  async ask(
    identity: Identity,
    session: StoredSession,
    request: EngineRequest,
    signal?: AbortSignal,
  ): Promise<EngineAnswer> {
    const running = await this.running(session.rootID)
    if (running !== undefined) return this.#options.commands.request(running, request)
    return this.answer(await this.submit(identity, session, request), signal)
  }

  /** Asks the engine that runs a certain turn. */
  async command(turnID: string, request: EngineRequest): Promise<EngineAnswer> {
    return this.#options.commands.request(turnID, request)
  }
}

const gone: EngineAnswer = problemAnswer(new Problem(410, 'the turn is gone'))
const abortedBeforeStart: EngineAnswer = problemAnswer(
  new Problem(409, 'the turn was aborted before it began', { type: 'aborted' }),
)

/** A problem in the form of an engine's answer. */
export function problemAnswer(problem: Problem): EngineAnswer {
  return {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json' },
    body: problem.toJSON(),
  }
}

async function turnWithKey(
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
