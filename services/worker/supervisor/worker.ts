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
import type { LlmConfig } from '../../runtime/llm-config.ts'
import { keyPrefix } from '../../runtime/redis.ts'
import { turnAttempts } from '../../runtime/turn-attempts.ts'
import type { Relay } from '../relay/relay.ts'
import type { Commands } from './commands.ts'
import { engineConfig } from './engine-config.ts'
import { HandedOver, StaleFence } from './errors.ts'
import { ToolObserver } from './tools.ts'
import { Turn } from './turn.ts'
import { TurnApi, type Claim } from './turn-api.ts'
import type { WarmEngine } from './warm-engine.ts'

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
  busy(busy: boolean): void
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
  relayURL: string
  connection: ConnectionOptions
  engine: WarmEngine
  relay: Relay
  commands: Commands
  metrics: WorkerMetrics
  log: WorkerLog
  /** Adds to the list of turns that were given up. */
  addDeadLetter(entry: string): Promise<void>
  /** Attempts that may fail before the turn is given up. @default turnAttempts.failures */
  maxAttempts?: number
  /** First pause before a failed turn is delivered again, ms; doubles. @default 1_000 */
  retryDelay?: number
  /** @default 5_000 */
  heartbeatInterval?: number
}

/** Time to tell the queue what became of the last turn, ms. */
const GOODBYE = 5_000
/** Longest pause between two deliveries, ms. */
const MAX_RETRY_DELAY = 20_000

/** Takes turns from the queue, one at a time. */
export class TurnWorker {
  readonly #options: WorkerOptions
  readonly #queue: Worker<TurnJob>
  readonly #draining = new AbortController()
  #current: Turn | undefined
  #busy = false

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#queue = new Worker<TurnJob>('turns', (job, lock) => this.#process(job, lock ?? ''), {
      prefix: keyPrefix,
      connection: options.connection,
      concurrency: 1,
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

  get isBusy(): boolean {
    return this.#busy
  }

  get isRunning(): boolean {
    return this.#queue.isRunning() && !this.#queue.isPaused()
  }

  /** Starts an engine ahead of the first turn, then takes turns until {@link drain}. */
  async start(): Promise<void> {
    const { engine, log } = this.#options
    await engine.warm()
    void engine.keepWarm(this.#draining.signal, (error) => {
      log.error({ error: describe(error) }, 'the engine does not start')
    })
    this.#queue.run().catch((error: unknown) => {
      log.error({ error: String(error) }, 'the queue stopped')
    })
  }

  /** Stops taking turns; waits for the one under way, and hands it over to another worker when it takes longer. */
  async drain(milliseconds: number): Promise<void> {
    this.#draining.abort()
    const overtime = globalThis.setTimeout(() => this.#current?.handOver(), milliseconds)
    try {
      await Promise.race([this.#queue.close(), this.#idle()])
    } finally {
      clearTimeout(overtime)
    }
  }

  /** Ends a moment after the last turn: closing the queue waits for Redis, and Redis may be gone for good. */
  async #idle(): Promise<void> {
    while (this.#busy) await setTimeout(100)
    await setTimeout(GOODBYE)
  }

  async #process(job: Job<TurnJob>, lock: string): Promise<void> {
    const { metrics, engine, log } = this.#options
    const parent = propagation.extract(context.active(), { traceparent: job.data.traceparent })
    const span = trace
      .getTracer('opencode-worker')
      .startSpan(
        'turn',
        { kind: SpanKind.CONSUMER, attributes: { 'turn.id': job.data.turnId } },
        parent,
      )
    const started = performance.now()
    this.#setBusy(true)
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
    // The next turn may be another tenant's: it gets a clean engine, started before this worker takes it.
    if (failure instanceof HandedOver) await engine.client.stop().catch(() => undefined)
    else
      await engine.warm().catch((error: unknown) => {
        log.error({ error: describe(error) }, 'the engine does not start')
      })
    this.#setBusy(false)
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
      if (error instanceof HandedOver) throw error
      const attempts = job.attemptsStarted + (claim?.turn.attempt ?? 1) - 1
      log.warn({ turn: turnId, attempts, error: describe(error) }, 'the turn failed')
      if (claim === undefined || attempts < (this.#options.maxAttempts ?? turnAttempts.failures))
        throw error
      return this.#giveUp(api, turnId, attempts, error)
    }
  }

  async #run(job: Job<TurnJob>, api: TurnApi, claim: Claim): Promise<string> {
    const { engine, relay, commands, llm, relayURL, metrics, log, heartbeatInterval } =
      this.#options
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
        engine,
        relay,
        commands,
        relayTurn: { token: job.data.token, traceHeaders: traceHeaders() },
        config: (overlay) => engineConfig(llm, overlay, relayURL),
        onDurable: (event) => {
          tools.event(event)
        },
        log: (message, more) => {
          log.info({ ...fields, ...more }, message)
        },
        ...(heartbeatInterval === undefined ? {} : { heartbeatInterval }),
      },
      claim,
    )
    this.#current = turn
    try {
      return await turn.run()
    } finally {
      this.#current = undefined
    }
  }

  /** The last attempt has failed: the client gets an answer, people get an entry to look into. */
  async #giveUp(api: TurnApi, turnId: string, attempts: number, error: unknown): Promise<string> {
    const detail = `The turn failed ${attempts.toString()} times, last with: ${describe(error)}. It is not tried again.`
    const body = { type: 'about:blank', title: 'The turn was given up', status: 502, detail }
    await api.complete({
      outcome: 'failed',
      givenUp: true,
      error: detail,
      response: { status: 502, headers: { 'content-type': 'application/problem+json' }, body },
    })
    await this.#options.addDeadLetter(
      JSON.stringify({ turnId, attempts, error: describe(error), at: new Date().toISOString() }),
    )
    this.#options.metrics.deadLetter()
    return 'dead'
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy
    this.#options.metrics.busy(busy)
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
