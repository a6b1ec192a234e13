import { setTimeout as sleep } from 'node:timers/promises'
import { asTurnEvents, type DurableEvent } from '../../protocol/events.ts'
import type { Project } from '../engine/project.ts'
import type { Relay } from '../relay/relay.ts'
import type { Command, Commands } from './commands.ts'
import { EngineLost, HandedOver, StaleFence, TurnRefused } from './errors.ts'
import { Forwarder } from './forwarder.ts'
import { interruptionEvents } from './interruption.ts'
import type { Claim, EngineAnswer, TurnApi } from './turn-api.ts'
import type { WarmEngine } from './warm-engine.ts'

/** What a turn needs of its worker. */
export interface TurnTools {
  api: TurnApi
  engine: WarmEngine
  relay: Relay
  commands: Commands
  /** The turn's token and trace headers, for the relay. */
  relayTurn: { token: string; traceHeaders: Record<string, string> }
  /** The engine's configuration for a tenant's overlay. @throws Error about the overlay */
  config(overlay: Record<string, unknown> | null): object
  onDurable(event: DurableEvent): void
  log(message: string, fields?: object): void
  /** Time between heartbeats, ms. @default 5_000 */
  heartbeatInterval?: number
}

/** A turn in an engine that has been given the session's past. */
interface Restored {
  forwarder: Forwarder
  /** The session's past, and what the turn adds to it. */
  events: DurableEvent[]
  /** Digest of the files before the turn. */
  files: string
}

/** Longest wait for what the engine does after its answer (titles, summaries), ms. */
const SETTLE_TIMEOUT = 10_000
/** Longest wait for the engine's stream to bring what is in the engine's log, ms. */
const STREAM_TIMEOUT = 1_000
/** Time the engine has to answer after an abort, ms; then it is ended. */
const ABORT_TIMEOUT = 5_000
/** Time to save what a turn that cannot go on has done so far, ms. */
const SALVAGE_TIMEOUT = 15_000

/**
 * One delivery of one turn: restore, ask the engine, pass its events on while it works, keep the files, complete.
 * Errors that another attempt may cure are thrown; everything else ends in a completion.
 */
export class Turn {
  readonly #tools: TurnTools
  readonly #claim: Claim
  readonly #stop = new AbortController()
  readonly #restored = deferred<undefined>()
  #aborted = false
  #expired = false
  #asked = false
  /** Whether the turn is lost without its engine: from the question to the last event. */
  #needsEngine = false
  /** What the session's directory is after the turn. */
  #project: Project | undefined

  constructor(tools: TurnTools, claim: Claim) {
    this.#tools = tools
    this.#claim = claim
    this.#restored.promise.catch(() => undefined)
  }

  /** Ends the work on this turn at once, so that another worker can take it. */
  handOver(): void {
    this.#stop.abort(new HandedOver('the worker is being shut down'))
  }

  /**
   * Runs the turn to its end.
   * @returns how it ended.
   * @throws StaleFence, EngineLost, HandedOver, or an error of the API: nothing has been completed then.
   */
  async run(): Promise<'completed' | 'failed' | 'aborted'> {
    const { commands, api, relay } = this.#tools
    const { turn } = this.#claim
    const ending = new AbortController()
    void this.#heartbeats(ending.signal)
    const deadline = this.#limitTime()
    const unsubscribe = await commands.subscribe(turn.id, (command) => this.#command(command))
    try {
      const answer = await this.#work().catch((error: unknown) => {
        if (error instanceof TurnRefused) return refusal(error)
        throw error
      })
      const { refused, ...response } = this.#expired
        ? refusal(new TurnRefused(504, 'The turn took longer than it may and was ended.'))
        : answer
      const outcome = this.#aborted
        ? 'aborted'
        : response.status >= 500 || refused !== undefined
          ? 'failed'
          : 'completed'
      await api.complete({
        outcome,
        response,
        ...(refused === undefined ? {} : { error: refused }),
        ...(this.#project === undefined ? {} : { project: this.#project }),
      })
      return outcome
    } finally {
      this.#restored.reject(new Error('the turn is over'))
      ending.abort()
      clearTimeout(deadline)
      relay.close()
      this.#stop.abort(new Error('the turn is over'))
      // Redis may be away, and what is over must not wait for it.
      void unsubscribe().catch(() => undefined)
    }
  }

  async #work(): Promise<EngineAnswer & { refused?: string }> {
    const { api, engine, relay, log } = this.#tools
    const started = performance.now()
    const config = this.#config()
    const [generation, history] = await this.#unlessStopped(
      Promise.all([engine.take(config), api.history()]),
    )
    const { client } = engine
    const { turn } = this.#claim
    void this.#watchEngine(generation)
    const stream = new AbortController()
    let restored: Restored | undefined
    try {
      restored = await this.#restore(history, stream.signal)
      const { forwarder, files } = restored
      log('restored', {
        milliseconds: Math.round(performance.now() - started),
        events: restored.events.length,
      })
      const answer = await this.#unlessStopped(this.#ask())
      await this.#unlessStopped(this.#settle(forwarder))
      stream.abort()
      await this.#unlessStopped(forwarder.flush())
      this.#needsEngine = false
      // The turn is whole without it.
      this.#project = await this.#unlessStopped(
        client.project(turn.directory).catch((error: unknown) => {
          log('it is not known which project this is', { error: String(error) })
          return undefined
        }),
      )
      await client.stop()
      await this.#unlessStopped(this.#keepFiles(files))
      return answer
    } catch (failure) {
      const isEngineWanted = restored === undefined || this.#needsEngine
      const error = isEngineWanted ? await this.#explained(failure, generation) : failure
      const late = sleep(SALVAGE_TIMEOUT, undefined, { ref: false })
      if (restored !== undefined && this.#needsEngine)
        await Promise.race([this.#salvage(error, restored), late])
      throw error
    } finally {
      stream.abort()
      relay.close()
    }
  }

  /** Gives the engine the session's past and files, and opens the ways on which the turn's work leaves it. */
  async #restore(history: DurableEvent[], signal: AbortSignal): Promise<Restored> {
    const {
      api,
      relay,
      relayTurn,
      engine: { client },
    } = this.#tools
    const { turn } = this.#claim
    const closing = interruptionEvents(history, Date.now())
    if (closing.length > 0) await api.events(asTurnEvents(closing))
    const events = [...history, ...closing]
    // The engine looks for git when it opens a directory, once: the files must be whole by then.
    await this.#unlessStopped(client.makeDirectory(turn.directory))
    const files = await this.#unlessStopped(this.#restoreFiles())
    await this.#unlessStopped(client.replay(turn.directory, events))
    const forwarder = new Forwarder(api, headsOf(events), (event) => {
      events.push(event)
      this.#tools.onDurable(event)
    })
    void this.#pump(forwarder, await this.#unlessStopped(client.events(signal)), signal)
    relay.open(relayTurn)
    this.#restored.resolve(undefined)
    return { forwarder, events, files }
  }

  #config(): object {
    try {
      return this.#tools.config(this.#claim.turn.config ?? null)
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      throw new TurnRefused(422, `The tenant's engine configuration cannot be used: ${message}`, {
        cause,
      })
    }
  }

  /** @returns the digest of the restored files. */
  async #restoreFiles(): Promise<string> {
    const { api, engine } = this.#tools
    const { directory } = this.#claim.turn
    const archive = await api.workspace()
    if (archive) await engine.client.unpack(directory, archive)
    return engine.client.fingerprint(directory)
  }

  /** A lost engine shows first as a broken connection; its runner knows why. */
  async #explained(error: unknown, generation: number): Promise<unknown> {
    if (error instanceof StaleFence || error instanceof HandedOver || error instanceof TurnRefused)
      return error
    const problem = await this.#tools.engine.problem(generation)
    if (problem === undefined || (error instanceof EngineLost && problem === error.message))
      return error
    return new EngineLost(problem, { cause: error })
  }

  /**
   * Saves what a turn that cannot go on here has done: its events and files belong together, for the attempt or the turn that follows.
   * Never throws: what cannot be saved is done again.
   */
  async #salvage(error: unknown, { forwarder, events, files }: Restored): Promise<void> {
    if (error instanceof StaleFence) return
    const { api, engine, log } = this.#tools
    try {
      if (!(error instanceof EngineLost))
        for (const row of await engine.client.eventsAfter(forwarder.heads)) forwarder.durable(row)
      await forwarder.flush()
      // Nobody comes back to a refused turn, so what it leaves open is closed now.
      if (error instanceof TurnRefused)
        await api.events(
          asTurnEvents(interruptionEvents(events, Date.now(), 'The turn was ended.')),
        )
      await engine.client.stop()
      await this.#keepFiles(files)
    } catch (failure) {
      log('not everything of the turn was saved', {
        error: failure instanceof Error ? failure.message : String(failure),
      })
    }
  }

  async #keepFiles(before: string): Promise<void> {
    const { api, engine } = this.#tools
    const { directory } = this.#claim.turn
    if ((await engine.client.fingerprint(directory)) === before) return
    await api.saveWorkspace(await engine.client.pack(directory))
  }

  async #ask(): Promise<EngineAnswer> {
    const { request, directory, sessionID } = this.#claim.turn
    this.#asked = true
    this.#needsEngine = true
    // The client of an asynchronous prompt has its answer from the API; the worker waits for the turn's end all the same.
    const path = request.path.replace(/\/prompt_async$/, '/message')
    try {
      return await this.#tools.engine.client.request(
        { ...request, path, query: { ...request.query, directory } },
        this.#stop.signal,
      )
    } catch (cause) {
      if (this.#stop.signal.aborted) throw this.#stop.signal.reason
      throw new EngineLost(`the engine dropped the request of ${sessionID}`, { cause })
    }
  }

  /** Waits for what the engine still does after its answer: a title's model call, a summary's events. */
  async #settle(forwarder: Forwarder): Promise<void> {
    const { engine, relay } = this.#tools
    const deadline = Date.now() + SETTLE_TIMEOUT
    let next: string | undefined
    let since = Date.now()
    for (let quiet = 0; quiet < 2 && Date.now() < deadline;) {
      const rows = await engine.client.eventsAfter(forwarder.heads)
      if (rows[0]?.id !== next) since = Date.now()
      next = rows[0]?.id
      // The stream brings them among the events that only it has; what it has left out comes from the log.
      if (Date.now() - since > STREAM_TIMEOUT) for (const row of rows) forwarder.durable(row)
      quiet = rows.length === 0 && relay.underWay === 0 ? quiet + 1 : 0
      if (quiet < 2) await sleep(20)
    }
  }

  async #pump(
    forwarder: Forwarder,
    frames: AsyncIterable<Parameters<Forwarder['frame']>[0]>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      for await (const frame of frames) {
        const early = forwarder.frame(frame)
        // The stream may leave out what happens while it opens. The log has it, and what the stream still brings: that waits.
        if (early !== undefined)
          for (const row of await this.#tools.engine.client.eventsAfter(forwarder.heads))
            if (row.aggregateID === early.aggregateID && row.seq <= early.seq)
              forwarder.durable(row)
        if (forwarder.failure) this.#stop.abort(forwarder.failure)
      }
    } catch {
      // Below: an ended stream is a lost engine, however it ended.
    }
    if (!signal.aborted) this.#stop.abort(new EngineLost("the engine's event stream ended"))
  }

  async #watchEngine(generation: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await sleep(1_000, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      if (this.#stop.signal.aborted || !this.#needsEngine) continue
      const problem = await this.#tools.engine.problem(generation)
      if (problem !== undefined && this.#isUnderWay()) this.#stop.abort(new EngineLost(problem))
    }
  }

  /** A method, so that what has changed during an await is looked at again. */
  #isUnderWay(): boolean {
    return !this.#stop.signal.aborted && this.#needsEngine
  }

  async #heartbeats(ending: AbortSignal): Promise<void> {
    const interval = this.#tools.heartbeatInterval ?? 5_000
    while (!ending.aborted) {
      try {
        if (await this.#tools.api.heartbeat()) await this.#abort()
      } catch (error) {
        if (error instanceof StaleFence) this.#stop.abort(error)
        // Anything else passes, or the API gives the turn to another worker and the next append finds out.
      }
      await sleep(interval, undefined, { signal: ending }).catch(() => undefined)
    }
  }

  #limitTime(): NodeJS.Timeout | undefined {
    const { deadline } = this.#claim.turn
    if (deadline === null || deadline === undefined) return undefined
    const left = Math.max(0, new Date(deadline).getTime() - Date.now())
    return setTimeout(() => {
      this.#expired = true
      void this.#endByEngine('The turn took longer than it may and was ended.')
    }, left)
  }

  async #command({ kind, request }: Command): Promise<EngineAnswer> {
    if (kind === 'abort') {
      await this.#abort()
      return { status: 200, headers: {}, body: true }
    }
    if (request === undefined)
      return { status: 400, headers: {}, body: { message: 'a request is wanted' } }
    await this.#restored.promise
    return this.#tools.engine.client.request({
      ...request,
      query: { ...request.query, directory: this.#claim.turn.directory },
    })
  }

  async #abort(): Promise<void> {
    if (this.#aborted) return
    this.#aborted = true
    await this.#endByEngine('The turn was aborted.')
  }

  /** Asks the engine to end the turn, so that it closes what is open itself; ends it by force when it does not listen. */
  async #endByEngine(reason: string): Promise<void> {
    const { turn } = this.#claim
    const end = () => {
      this.#stop.abort(new TurnRefused(409, reason))
    }
    if (!this.#asked) {
      end()
      return
    }
    const force = setTimeout(end, ABORT_TIMEOUT)
    this.#stop.signal.addEventListener('abort', () => {
      clearTimeout(force)
    })
    const path = `/session/${turn.sessionID}/abort`
    await this.#tools.engine.client
      .request({ method: 'POST', path, query: { directory: turn.directory } })
      .catch(() => undefined)
  }

  /** Waits for `work`, but no longer than the turn is this worker's. */
  async #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stop
    const stopped = deferred<never>()
    const stop = () => {
      stopped.reject(signal.reason as Error)
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    try {
      return await Promise.race([work, stopped.promise])
    } finally {
      signal.removeEventListener('abort', stop)
      work.catch(() => undefined)
    }
  }
}

/** `Promise.withResolvers`, which the oldest supported Node.js lacks. */
function deferred<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (reason: Error) => void
} {
  let resolve: (value: T) => void = () => undefined
  let reject: (reason: Error) => void = () => undefined
  const promise = new Promise<T>((done, fail) => {
    resolve = done
    reject = fail
  })
  return { promise, resolve, reject }
}

function headsOf(events: DurableEvent[]): Record<string, number> {
  const heads: Record<string, number> = {}
  for (const { aggregateID, seq } of events)
    heads[aggregateID] = Math.max(seq, heads[aggregateID] ?? -1)
  return heads
}

function refusal(error: TurnRefused): EngineAnswer & { refused: string } {
  return {
    status: error.status,
    headers: { 'content-type': 'application/problem+json' },
    body: {
      type: 'about:blank',
      title: 'The turn failed',
      status: error.status,
      detail: error.message,
    },
    refused: error.message,
  }
}
