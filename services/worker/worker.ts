import { setTimeout } from 'node:timers/promises'
import {
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
} from '@opentelemetry/api'
import { DelayedError, Worker, type ConnectionOptions, type Job } from 'bullmq'
import { relayPlaceholder } from '../protocol/sandbox.ts'
import type { LlmConfig } from '../runtime/llm-config.ts'
import { engineConfig } from '../runtime/engine-config.ts'
import { keyPrefix } from '../runtime/redis.ts'
import { turnAttempts } from '../runtime/turn-attempts.ts'
import type { Commands } from './commands.ts'
import { HandedOver, SandboxLost, StaleFence } from './errors.ts'
import type { Heartbeats } from './heartbeats.ts'
import type { RelayTarget } from './relay.ts'
import { ToolObserver } from './tools.ts'
import { Turn } from './turn.ts'
import { TurnApi, type Claim } from './turn-api.ts'

/** What the queue carries: no contents, only where to ask and with what. */
export interface TurnJob {
  turnId: string
  token: string
  traceparent?: string
}

/** Where the worker's numbers go. */
export interface WorkerMetrics {
  turn(outcome: string, seconds: number): void
  tool(tool: string, seconds: number): void
  /** Turns under way. */
  busy(turns: number): void
  sandboxLost(reason: string): void
  deadLetter(): void
}

/** Logs with fields. Is never given tokens or message contents. */
export interface WorkerLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What {@link TurnWorker} is made of. */
export interface WorkerOptions {
  /** Names this worker in claims and logs. */
  name: string
  apiURL: string
  llm: LlmConfig
  connection: ConnectionOptions
  heartbeats: Heartbeats
  relay: RelayTarget
  commands: Commands
  metrics: WorkerMetrics
  log: WorkerLog
  /** Adds to the list of turns that were given up. */
  addDeadLetter(entry: string): Promise<void>
  /** Attempts that may fail before the turn is given up. @default turnAttempts.failures */
  maxAttempts?: number
  /** First pause before a failed turn is delivered again, ms; doubles. @default 1_000 */
  retryDelay?: number
  /** Turns that are under way at once. */
  turns: number
  /** A sandbox that answers nothing for this long is lost, ms. */
  sandboxSilence: number
}

/** Time to tell the queue what became of the last turn, ms. */
const GOODBYE = 5_000
/** How often a turn may end its sandbox from within. */
const MAX_LOSSES = 2
/** Longest pause between two deliveries, ms. */
const MAX_RETRY_DELAY = 20_000

/** Takes turns from the queue, many at a time: it runs nothing of theirs, it only moves bytes. */
export class TurnWorker {
  readonly #options: WorkerOptions
  readonly #queue: Worker<TurnJob>
  readonly #turns = new Set<Turn>()
  /** Turns under way, with what comes before and after them. */
  #busy = 0

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#queue = new Worker<TurnJob>('turns', (job, lock) => this.#process(job, lock ?? ''), {
      prefix: keyPrefix,
      connection: options.connection,
      concurrency: options.turns,
      autorun: false,
      // A turn without heartbeats is delivered again by the API, which knows the fence; a second redelivery by the
      // queue itself would only take the turn away from the worker that has just got it.
      maxStalledCount: 0,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    })
    this.#queue.on('error', (error) => {
      options.log.warn({ error: error.message }, 'the queue cannot be reached')
    })
  }

  get isRunning(): boolean {
    return this.#queue.isRunning() && !this.#queue.isPaused()
  }

  /** Takes turns until {@link drain}. */
  start(): void {
    this.#queue.run().catch((error: unknown) => {
      this.#options.log.error({ error: String(error) }, 'the queue stopped')
    })
  }

  /** Stops taking turns; waits for those under way, and hands them over to another worker when they take longer. */
  async drain(milliseconds: number): Promise<void> {
    const overtime = globalThis.setTimeout(() => {
      for (const turn of this.#turns) turn.handOver()
    }, milliseconds)
    try {
      await Promise.race([this.#queue.close(), this.#idle()])
    } finally {
      clearTimeout(overtime)
    }
  }

  /** Ends a moment after the last turn: closing the queue waits for Redis, and Redis may be gone for good. */
  async #idle(): Promise<void> {
    while (this.#busy > 0) await setTimeout(100)
    await setTimeout(GOODBYE)
  }

  async #process(job: Job<TurnJob>, lock: string): Promise<void> {
    const { metrics, log } = this.#options
    const parent = propagation.extract(context.active(), { traceparent: job.data.traceparent })
    const span = trace
      .getTracer('opencode-worker')
      .startSpan(
        'turn',
        { kind: SpanKind.CONSUMER, attributes: { 'turn.id': job.data.turnId } },
        parent,
      )
    const started = performance.now()
    this.#countBusy(1)
    let outcome = 'lost'
    let failure: Error | undefined
    try {
      outcome = await context.with(trace.setSpan(parent, span), () => this.#deliver(job))
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
      span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
      outcome = failure instanceof HandedOver ? 'handed-over' : 'retried'
    }
    const seconds = (performance.now() - started) / 1000
    metrics.turn(outcome, seconds)
    log.info(
      { turn: job.data.turnId, trace: span.spanContext().traceId, outcome, seconds },
      'turn over',
    )
    span.setAttribute('turn.outcome', outcome)
    span.end()
    this.#countBusy(-1)
    if (failure !== undefined) await this.#again(job, lock, failure)
  }

  /** Puts the job back for a later delivery. @throws DelayedError, which tells the queue so */
  async #again(job: Job<TurnJob>, lock: string, failure: Error): Promise<never> {
    // A job that could not even be claimed is dropped in the end: the API queues its turn again when it can be asked.
    if (job.attemptsStarted >= turnAttempts.deliveries) throw failure
    const pause =
      failure instanceof HandedOver
        ? 0
        : (this.#options.retryDelay ?? 1_000) * 2 ** (job.attemptsStarted - 1)
    await job.moveToDelayed(Date.now() + Math.min(pause, MAX_RETRY_DELAY), lock)
    throw new DelayedError()
  }

  /** One delivery. @throws when another delivery should follow */
  async #deliver(job: Job<TurnJob>): Promise<string> {
    const { apiURL, log, name } = this.#options
    const { turnId, token } = job.data
    const api = new TurnApi(apiURL, turnId, token, traceHeaders)
    let claim: Claim | undefined
    try {
      claim = await api.claim(name)
      if (claim === undefined) return 'gone'
      return await this.#run(job, api, claim)
    } catch (error) {
      if (error instanceof StaleFence) {
        log.warn({ turn: turnId, error: error.message }, 'nothing more can be written for the turn')
        return 'stale'
      }
      if (error instanceof HandedOver || claim === undefined) throw error
      return await this.#failed(job, api, claim, error)
    }
  }

  /** An attempt has failed. @throws the error, when another should follow */
  async #failed(job: Job<TurnJob>, api: TurnApi, { turn }: Claim, error: unknown): Promise<string> {
    const { log, maxAttempts = turnAttempts.failures } = this.#options
    const attempts = job.attemptsStarted + turn.attempt - 1
    log.warn({ turn: turn.id, attempts, error: describe(error) }, 'the turn failed')
    const losses = error instanceof LostUnder ? error.losses : 0
    if (losses >= MAX_LOSSES) {
      const detail = `The turn ended its sandbox from within ${losses.toString()} times, last with: ${describe(error)}. It is not tried again.`
      return this.#giveUp(api, turn.id, attempts, detail)
    }
    if (attempts < maxAttempts) throw error
    const detail = `The turn failed ${attempts.toString()} times, last with: ${describe(error)}. It is not tried again.`
    return this.#giveUp(api, turn.id, attempts, detail)
  }

  async #run(job: Job<TurnJob>, api: TurnApi, claim: Claim): Promise<string> {
    const { relay, commands, heartbeats, llm, metrics, log, sandboxSilence } = this.#options
    const tools = new ToolObserver(context.active(), (tool, seconds) => {
      metrics.tool(tool, seconds)
    })
    const fields = {
      turn: claim.turn.id,
      session: claim.turn.sessionID,
      attempt: claim.turn.attempt,
    }
    const turn = new Turn(
      {
        api,
        relay,
        commands,
        heartbeats,
        sandboxSilence,
        relayTurn: { token: job.data.token, traceHeaders: traceHeaders() },
        config: (overlay) => engineConfig(llm, overlay, relayPlaceholder),
        onDurable: (event) => {
          tools.event(event)
        },
        onLost: (reason) => {
          metrics.sandboxLost(reason)
        },
        log: (message, more) => {
          log.info({ ...fields, ...more }, message)
        },
      },
      claim,
    )
    this.#turns.add(turn)
    try {
      return await turn.run()
    } catch (error) {
      if (!(error instanceof SandboxLost) || turn.sandboxUID === undefined) throw error
      metrics.sandboxLost(error.reason)
      throw new LostUnder(await api.endSandbox(turn.sandboxUID, error.reason), error)
    } finally {
      this.#turns.delete(turn)
    }
  }

  /** The last attempt has failed: the client gets an answer, people get an entry to look into. */
  async #giveUp(api: TurnApi, turnId: string, attempts: number, detail: string): Promise<string> {
    const body = { type: 'about:blank', title: 'The turn was given up', status: 502, detail }
    await api.complete({
      outcome: 'failed',
      givenUp: true,
      error: detail,
      response: { status: 502, headers: { 'content-type': 'application/problem+json' }, body },
    })
    await this.#options.addDeadLetter(
      JSON.stringify({ turnId, attempts, error: detail, at: new Date().toISOString() }),
    )
    this.#options.metrics.deadLetter()
    return 'dead'
  }

  #countBusy(change: number): void {
    this.#busy += change
    this.#options.metrics.busy(this.#busy)
  }
}

/** A sandbox was lost under its turn, which the API has counted where the turn is to blame. */
class LostUnder extends Error {
  readonly losses: number

  constructor(losses: number, { message, cause }: SandboxLost) {
    super(message, { cause })
    this.losses = losses
  }
}

/** The active trace as HTTP headers. */
function traceHeaders(from: Context = context.active()): Record<string, string> {
  const headers: Record<string, string> = {}
  propagation.inject(from, headers)
  return headers
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
