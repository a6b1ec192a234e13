import type { Logger } from '../../runtime/logger.ts'
import { errorFields } from '../../runtime/logger.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import { Problem } from '../../runtime/problem.ts'
import { turnAttempts } from '../../runtime/turn-attempts.ts'
import type { FoundTurn, Turns } from '../store/turns.ts'
import type { Workspaces } from '../store/workspaces.ts'
import type { FeedItem } from '../events/feed.ts'
import { failureItems, problemAnswer } from './ending.ts'
import { isWork } from './prompt.ts'
import type { TurnQueue } from './queue.ts'
import { Steadiness } from './steadiness.ts'
import type { TurnService } from './service.ts'
import type { TurnWaiter } from './waiter.ts'

/** What {@link Reaper} works with. */
export interface ReaperOptions {
  store: Turns
  queue: TurnQueue
  turns: TurnService
  waiter: TurnWaiter
  workspaces: Workspaces
  /** Tells a tenant's clients. */
  publish(tenant: string, items: readonly FeedItem[]): Promise<void>
  metrics: Metrics
  logger: Logger
  /** A turn without a heartbeat for this long has lost its worker, seconds. */
  silenceSeconds: number
  /** Time between two looks at everything, ms. @default 5_000 */
  interval?: number
  /** Time between two looks at silent workers, ms. @default 500 */
  watchInterval?: number
}

/**
 * Finds turns that nobody works on, and puts them right from PostgreSQL: those whose worker has gone silent, and those the queue has
 * lost. Every API process runs one; each finding is taken by one of them only.
 */
export class Reaper {
  readonly #options: ReaperOptions
  readonly #timers: NodeJS.Timeout[]
  readonly #steadiness = new Steadiness()
  #running: Promise<void> | undefined
  #watching: Promise<void> | undefined
  #rounds = 0

  constructor(options: ReaperOptions) {
    this.#options = options
    this.#timers = [
      setInterval(() => void this.round(), options.interval ?? 5_000).unref(),
      setInterval(() => void this.watch(), options.watchInterval ?? 500).unref(),
    ]
  }

  /** One look at workers that have gone silent; calls never overlap. */
  async watch(): Promise<void> {
    this.#watching ??= this.#redeliver()
      .catch((error: unknown) => {
        this.#options.logger.warn(errorFields(error), 'looking for silent workers failed')
      })
      .finally(() => {
        this.#watching = undefined
      })
    return this.#watching
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
    for (const timer of this.#timers) clearInterval(timer)
    await Promise.all([this.#running, this.#watching])
  }

  async #round(): Promise<void> {
    await this.#expire()
    await this.#requeue()
    await this.#promoteWaiting()
    if (this.#rounds++ % 120 === 0) await this.#options.workspaces.sweep()
  }

  /** Workers that have gone silent: the next attempt's claim raises the fence, so the silent one can write no more. */
  async #redeliver(): Promise<void> {
    const { store, silenceSeconds, turns, logger } = this.#options
    // A database that was away has heard of nobody: its return is no reason to take every turn from its worker.
    await store.ping()
    const patience = this.#steadiness.patience(silenceSeconds)
    if (patience === undefined) return
    for (const turn of await store.takeFromSilent(patience)) {
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
    for (const turn of await this.#options.store.expire()) await this.#end(turn)
  }

  async #end(turn: FoundTurn): Promise<void> {
    const { store, turns, waiter, publish, metrics, logger } = this.#options
    const problem =
      turn.status === 'dead'
        ? new Problem(
            502,
            `the workers of this turn were lost ${turnAttempts.lostWorkers.toString()} times; it is not tried again`,
            { type: 'turn-given-up' },
          )
        : turn.status === 'aborted'
          ? new Problem(409, 'the turn was aborted; its worker was lost', { type: 'aborted' })
          : new Problem(504, 'the turn took longer than it may', { type: 'turn-timeout' })
    const answer = problemAnswer(problem)
    await store.saveAnswer(turn.id, answer, problem.message)
    if (turn.status === 'dead') metrics.deadLetters.inc()
    metrics.turns.inc({ outcome: turn.status })
    logger.warn(
      { turn: turn.id, session: turn.session_id, tenant: turn.tenant, outcome: turn.status },
      problem.message,
    )
    await publish(
      turn.tenant,
      failureItems(
        { sessionID: turn.session_id, directory: turn.directory, work: isWork(turn.request) },
        answer,
      ),
    )
    await waiter.over(turn.id).catch(() => undefined)
    await turns.promote(turn.root_id)
  }

  /** Turns that PostgreSQL says are queued and Redis does not know: it was wiped, or away when they came. */
  async #requeue(): Promise<void> {
    const { store, queue, turns, logger } = this.#options
    const queued = await store.queued()
    if (queued.length === 0) return
    const missing = await queue.missing(queued.map(({ id, attempt }) => ({ turnID: id, attempt })))
    for (const turn of queued) {
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
    const { store, turns } = this.#options
    for (const rootID of await store.waitingFamilies()) await turns.promote(rootID)
  }
}
