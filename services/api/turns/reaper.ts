import type { Database } from '../../runtime/database/index.ts'
import type { Logger } from '../../runtime/logger.ts'
import { errorFields } from '../../runtime/logger.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import { Problem } from '../../runtime/problem.ts'
import type { Workspaces } from '../store/workspaces.ts'
import type { FeedItem } from '../events/feed.ts'
import { failureItems } from './ending.ts'
import type { TurnQueue } from './queue.ts'
import { problemAnswer, type EngineRequest, type TurnService } from './service.ts'
import type { TurnWaiter } from './waiter.ts'

/** What {@link Reaper} works with. */
export interface ReaperOptions {
  database: Database
  queue: TurnQueue
  turns: TurnService
  waiter: TurnWaiter
  workspaces: Workspaces
  /** Tells a tenant's clients. */
  publish(tenant: string, items: readonly FeedItem[]): void
  metrics: Metrics
  logger: Logger
  /** A turn without a heartbeat for this long has lost its worker, seconds. */
  silenceSeconds: number
  /** Time between two looks, ms. @default 5_000 */
  interval?: number
}

interface LostTurn {
  id: string
  tenant: string
  session_id: string
  root_id: string
  attempt: number
  deadline: Date
  traceparent: string | null
  status: string
}

interface EndedTurn extends LostTurn {
  request: EngineRequest
  directory: string
}

/** What the database tells of a turn that the reaper has ended or given back. */
const ended = `id, tenant, session_id, root_id, attempt, deadline, traceparent, status, request,
  (SELECT directory FROM sessions WHERE sessions.id = session_id) AS directory`

/** Attempts of a turn before it is given up. */
const MAX_ATTEMPTS = 5

/**
 * Finds turns that nobody works on, and puts them right from PostgreSQL: those whose worker has gone silent, and those the queue has
 * lost. Every API process runs one; each finding is taken by one of them only.
 */
export class Reaper {
  readonly #options: ReaperOptions
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined
  #rounds = 0

  constructor(options: ReaperOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      this.round().catch(() => undefined)
    }, options.interval ?? 5_000).unref()
  }

  /** One look; a second call while one is under way waits for that one. */
  async round(): Promise<void> {
    this.#running ??= this.#round()
      .catch((error: unknown) => {
        this.#options.logger.warn(errorFields(error), 'looking for lost turns failed')
      })
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  async #round(): Promise<void> {
    await this.#expire()
    await this.#redeliver()
    await this.#requeue()
    await this.#promoteWaiting()
    if (this.#rounds++ % 120 === 0) await this.#options.workspaces.sweep()
  }

  /** Workers that have gone silent: the next attempt's claim raises the fence, so the silent one can write no more. */
  async #redeliver(): Promise<void> {
    const { database, silenceSeconds, turns, logger } = this.#options
    const { rows } = await database.query<EndedTurn>(
      `UPDATE turns SET status = CASE WHEN attempt >= $2 THEN 'dead' WHEN abort THEN 'aborted' ELSE 'queued' END,
         attempt = attempt + 1, fence = fence + 1, queued_at = now(), heartbeat_at = NULL
       WHERE id IN (SELECT id FROM turns WHERE status = 'running' AND heartbeat_at < now() - make_interval(secs => $1) FOR UPDATE SKIP LOCKED)
       RETURNING ${ended}`,
      [silenceSeconds, MAX_ATTEMPTS],
    )
    for (const turn of rows) {
      if (turn.status === 'queued') {
        const { id, session_id: session, tenant, attempt } = turn
        logger.warn(
          { turn: id, session, tenant, attempt },
          'the worker has gone silent; the turn is delivered again',
        )
        await turns.enqueue(turn)
      } else await this.#end(turn)
    }
  }

  /** Turns past their deadline that no worker ends any more. */
  async #expire(): Promise<void> {
    const { rows } = await this.#options.database.query<EndedTurn>(
      `UPDATE turns SET status = 'failed' WHERE id IN (
         SELECT id FROM turns WHERE status IN ('pending', 'queued', 'running') AND deadline < now() - interval '30 seconds' FOR UPDATE SKIP LOCKED)
       RETURNING ${ended}`,
    )
    for (const turn of rows) await this.#end(turn)
  }

  async #end(turn: EndedTurn): Promise<void> {
    const { database, turns, waiter, publish, metrics, logger } = this.#options
    const problem =
      turn.status === 'dead'
        ? new Problem(
            502,
            `the workers of this turn were lost ${MAX_ATTEMPTS.toString()} times; it is not tried again`,
            { type: 'turn-given-up' },
          )
        : turn.status === 'aborted'
          ? new Problem(409, 'the turn was aborted; its worker was lost', { type: 'aborted' })
          : new Problem(504, 'the turn took longer than it may', { type: 'turn-timeout' })
    const answer = problemAnswer(problem)
    await database.query(
      'UPDATE turns SET result = $2, error = $3, finished_at = now() WHERE id = $1',
      [turn.id, JSON.stringify(answer), problem.message],
    )
    await database.query('DELETE FROM requests WHERE turn_id = $1', [turn.id])
    if (turn.status === 'dead') metrics.deadLetters.inc()
    metrics.turns.inc({ outcome: turn.status })
    logger.warn(
      { turn: turn.id, session: turn.session_id, tenant: turn.tenant, outcome: turn.status },
      problem.message,
    )
    publish(
      turn.tenant,
      failureItems(
        { sessionID: turn.session_id, directory: turn.directory, request: turn.request },
        answer,
      ),
    )
    await waiter.over(turn.id).catch(() => undefined)
    await turns.promote(turn.root_id)
  }

  /** Turns that PostgreSQL says are queued and Redis does not know: it was wiped, or away when they came. */
  async #requeue(): Promise<void> {
    const { database, queue, turns, logger } = this.#options
    const { rows } = await database.query<LostTurn>(
      `SELECT id, tenant, session_id, root_id, attempt, deadline, traceparent, status FROM turns
       WHERE status = 'queued' AND queued_at < now() - interval '2 seconds' ORDER BY queued_at LIMIT 1000`,
      [],
      { read: 'primary' },
    )
    if (rows.length === 0) return
    const missing = await queue.missing(rows.map(({ id, attempt }) => ({ turnID: id, attempt })))
    for (const turn of rows) {
      if (!missing.has(turn.id)) continue
      logger.warn(
        { turn: turn.id, session: turn.session_id, tenant: turn.tenant },
        'the queue has lost the turn; it is queued again',
      )
      await turns.enqueue(turn)
    }
  }

  /** Turns whose process ended between two steps: waiting, with nothing before them. */
  async #promoteWaiting(): Promise<void> {
    const { rows } = await this.#options.database.query<{ root_id: string }>(
      `SELECT DISTINCT root_id FROM turns t WHERE status = 'pending'
       AND NOT EXISTS (SELECT 1 FROM turns o WHERE o.root_id = t.root_id AND o.status IN ('queued', 'running')) LIMIT 1000`,
      [],
      { read: 'primary' },
    )
    for (const { root_id } of rows) await this.#options.turns.promote(root_id)
  }
}
