import { setTimeout as sleep } from 'node:timers/promises'
import { asTurnEvents, type DurableEvent } from '../protocol/events.ts'
import { createID } from '../runtime/ids.ts'
import type { Project } from '../protocol/sandbox.ts'
import type { Command, Commands } from './commands.ts'
import { HandedOver, SandboxLost, StaleFence, TurnRefused } from './errors.ts'
import { Forwarder } from './forwarder.ts'
import type { Heartbeats } from './heartbeats.ts'
import { interruptionEvents } from './interruption.ts'
import { openSandbox, type OpenSandbox } from './open-sandbox.ts'
import { Relay, type RelayTarget, type RelayTurn } from './relay.ts'
import { restore } from './restore.ts'
import type { Sandbox } from './sandbox.ts'
import type { Claim, EngineAnswer, TurnApi } from './turn-api.ts'

/** What a turn needs of its worker. */
export interface TurnTools {
  api: TurnApi
  commands: Commands
  heartbeats: Heartbeats
  relay: RelayTarget
  /** The turn's token and trace headers, for the relay. */
  relayTurn: RelayTurn
  /** A sandbox that answers nothing for this long is lost, ms. */
  sandboxSilence: number
  /** The engine's configuration for a tenant's overlay. @throws Error about the overlay */
  config(overlay: Record<string, unknown> | null): object
  onDurable(event: DurableEvent): void
  /** A sandbox was given up, and why. */
  onLost(reason: string): void
  log(message: string, fields?: object): void
}

/** A turn whose engine has the session's past. */
interface UnderWay extends OpenSandbox {
  forwarder: Forwarder
  relay: Relay
}

/** Longest wait for what the engine does after its answer (titles, summaries), ms. */
const SETTLE_TIMEOUT = 10_000
/** Longest wait for the engine's stream to bring what is in the engine's log, ms. */
const STREAM_TIMEOUT = 1_000
/** Time the engine has to answer after an abort, ms; then it is ended. */
const ABORT_TIMEOUT = 5_000
/** Time to save what a turn that cannot go on has done so far, ms. */
const SALVAGE_TIMEOUT = 15_000
/** Time an agent has to notice that its engine has ended, ms. */
const NOTICE_TIME = 1_000

const failureTexts: Record<string, string> = {
  crash: 'the engine ended unexpectedly',
  hang: 'the engine did not answer any more and was ended',
  memory: 'the engine used more memory than it may and was ended',
  start: 'the engine did not start',
}

/**
 * One delivery of one turn: finds the session's sandbox as it stands or restores the session in a new one, asks the engine,
 * passes its events on while it works, keeps the files and completes the turn. Errors that another attempt may cure are
 * thrown; everything else ends in a completion.
 */
export class Turn {
  readonly #tools: TurnTools
  readonly #claim: Claim
  readonly #stop = new AbortController()
  readonly #ready = deferred<Sandbox>()
  #aborted = false
  #expired = false
  #sandbox: Sandbox | undefined
  /** The sandbox that the turn has. */
  #uid: string | undefined
  /** Whether the turn is lost without its engine: from the question to the last event. */
  #needsEngine = false
  /** What the session's directory is after the turn. */
  #project: Project | undefined

  constructor(tools: TurnTools, claim: Claim) {
    this.#tools = tools
    this.#claim = claim
    this.#ready.promise.catch(() => undefined)
  }

  /** The sandbox that the turn has, if any. */
  get sandboxUID(): string | undefined {
    return this.#uid
  }

  /** Lets go of this turn at once, so that another worker can take it over where it stands. */
  handOver(): void {
    this.#stop.abort(new HandedOver('the worker is being shut down'))
  }

  /**
   * Runs the turn to its end.
   * @returns how it ended.
   * @throws StaleFence, SandboxLost, HandedOver, or an error of the API: nothing has been completed then.
   */
  async run(): Promise<'completed' | 'failed' | 'aborted'> {
    const { commands, api, heartbeats, relayTurn } = this.#tools
    const { turn } = this.#claim
    const quiet = heartbeats.add({
      id: turn.id,
      token: relayTurn.token,
      fence: api.fence,
      onAbort: () => void this.#abort(),
      onStale: () => {
        this.#stop.abort(new StaleFence('a newer attempt has taken the turn'))
      },
    })
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
        sandbox: answer.refused === undefined ? 'keep' : 'end',
        ...(refused === undefined ? {} : { error: refused }),
        ...(this.#project === undefined ? {} : { project: this.#project }),
      })
      return outcome
    } finally {
      this.#ready.reject(new Error('the turn is over'))
      quiet()
      clearTimeout(deadline)
      this.#stop.abort(new Error('the turn is over'))
      // Redis may be away, and what is over must not wait for it.
      void unsubscribe().catch(() => undefined)
    }
  }

  async #work(): Promise<EngineAnswer & { refused?: string }> {
    const { api, relay: target, relayTurn, log } = this.#tools
    const { turn } = this.#claim
    const started = performance.now()
    const config = this.#config()
    const open = await openSandbox(this.#tools, turn, config, this.#stop.signal, (uid) => {
      this.#uid = uid
    })
    const { connection, sandbox, begun, isTakenOver } = open
    this.#sandbox = sandbox
    connection.onLost((error) => {
      this.#stop.abort(error)
    })
    const relay = new Relay(connection, target, relayTurn)
    const stream = new AbortController()
    let underWay: UnderWay | undefined
    try {
      const restored = await this.#unlessStopped(restore(api, open, turn))
      log('sandbox ready', {
        milliseconds: Math.round(performance.now() - started),
        events: restored.events,
        how: isTakenOver ? 'taken over' : begun.isRestored ? 'awake' : 'restored',
      })
      const forwarder = new Forwarder(api, restored.heads, (event) => {
        this.#tools.onDurable(event)
      })
      underWay = { ...open, forwarder, relay }
      void this.#pump(
        underWay,
        await this.#unlessStopped(sandbox.events(stream.signal)),
        stream.signal,
      )
      relay.open()
      const answer = await this.#unlessStopped(this.#ask(underWay))
      await this.#unlessStopped(this.#settle(underWay))
      stream.abort()
      await this.#unlessStopped(forwarder.flush())
      this.#needsEngine = false
      relay.close()
      await this.#unlessStopped(this.#keepFiles(sandbox, restored.storedFiles))
      // A fork lives elsewhere from now on, with a sandbox of its own.
      const foreign = Object.keys(forwarder.heads).filter((id) => !(id in restored.heads))
      if (isFork(turn.request)) await this.#unlessStopped(sandbox.disregard(foreign))
      return answer
    } catch (failure) {
      const error = await this.#explained(failure, sandbox, begun.engine.generation)
      const late = sleep(SALVAGE_TIMEOUT, undefined, { ref: false })
      if (underWay !== undefined && this.#needsEngine)
        await Promise.race([this.#salvage(error, underWay), late])
      throw error
    } finally {
      stream.abort()
      relay.close()
      connection.close()
    }
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

  /** A lost engine shows first as a broken stream; its agent knows why. */
  async #explained(error: unknown, sandbox: Sandbox, generation: number): Promise<unknown> {
    if (!(error instanceof SandboxLost) || error.reason === 'silent' || error.reason === 'gone')
      return error
    return (await this.#problem(sandbox, generation, NOTICE_TIME)) ?? error
  }

  /** What is wrong with the engine; undefined while it is ready. */
  async #problem(
    sandbox: Sandbox,
    generation: number,
    patience = 0,
  ): Promise<SandboxLost | undefined> {
    const deadline = Date.now() + patience
    for (;;) {
      const status = await sandbox.status().catch(() => undefined)
      if (status === undefined) return undefined
      const { state, failure } = status
      if (failure !== undefined) return new SandboxLost(failure, failureTexts[failure] ?? failure)
      if (status.generation !== generation || state !== 'ready')
        return new SandboxLost('crash', `the engine is ${state}`)
      if (Date.now() >= deadline) return undefined
      await sleep(100)
    }
  }

  /**
   * Saves what a turn that cannot go on has done: its events and files belong together, for the attempt or the turn that follows.
   * Where the sandbox lives and the turn goes on there is nothing to save. Never throws: what cannot be saved is done again.
   */
  async #salvage(error: unknown, { forwarder, sandbox, begun }: UnderWay): Promise<void> {
    const isRefused = error instanceof TurnRefused
    if (!isRefused && !(error instanceof SandboxLost)) return
    const { api, log } = this.#tools
    try {
      if (isRefused)
        for (const row of await sandbox.eventsAfter(forwarder.heads)) forwarder.durable(row)
      await forwarder.flush()
      // Nobody comes back to a refused turn, so what it leaves open is closed now.
      if (isRefused) {
        const closing = interruptionEvents(await api.history(), Date.now(), 'The turn was ended.')
        await api.events(asTurnEvents(closing))
      }
      await sandbox.stop()
      await this.#keepFiles(sandbox, begun.storedFiles)
    } catch (failure) {
      log('not everything of the turn was saved', {
        error: failure instanceof Error ? failure.message : String(failure),
      })
    }
  }

  async #keepFiles(sandbox: Sandbox, stored: string | undefined): Promise<void> {
    const { directory } = this.#claim.turn
    const { files, project } = await sandbox.finish(directory)
    this.#project = project
    if (files === stored) return
    const { api } = this.#tools
    if (!(await api.saveWorkspace(await sandbox.pack(directory))))
      await api.saveWorkspace(await sandbox.pack(directory, { whole: true }))
    await sandbox.stored(files)
  }

  async #ask({ sandbox, isTakenOver, forwarder }: UnderWay): Promise<EngineAnswer> {
    const { id, request, directory } = this.#claim.turn
    this.#needsEngine = true
    // The client of an asynchronous prompt has its answer from the API; the worker waits for the turn's end all the same.
    const path = request.path.replace(/\/prompt_async$/, '/message')
    await sandbox.askTurn(id, { ...request, path, query: { ...request.query, directory } })
    this.#ready.resolve(sandbox)
    if (isTakenOver) await this.#repeatQuestions(sandbox, forwarder)
    return sandbox.turnAnswer()
  }

  /** What the engine has asked while no worker listened is in no log. */
  async #repeatQuestions(sandbox: Sandbox, forwarder: Forwarder): Promise<void> {
    const query = { directory: this.#claim.turn.directory }
    for (const kind of ['permission', 'question']) {
      const { body } = await sandbox.request({ method: 'GET', path: `/${kind}`, query })
      for (const properties of Array.isArray(body) ? (body as Record<string, unknown>[]) : [])
        forwarder.frame({ payload: { id: createID('event'), type: `${kind}.asked`, properties } })
    }
  }

  /** Waits for what the engine still does after its answer: a title's model call, a summary's events. */
  async #settle({ sandbox, forwarder, relay }: UnderWay): Promise<void> {
    const deadline = Date.now() + SETTLE_TIMEOUT
    let next: string | undefined
    let since = Date.now()
    for (let quiet = 0; quiet < 2 && Date.now() < deadline;) {
      const rows = await sandbox.eventsAfter(forwarder.heads)
      if (rows[0]?.id !== next) since = Date.now()
      next = rows[0]?.id
      // The stream brings them among the events that only it has; what it has left out comes from the log.
      if (Date.now() - since > STREAM_TIMEOUT) for (const row of rows) forwarder.durable(row)
      quiet = rows.length === 0 && relay.underWay === 0 ? quiet + 1 : 0
      if (quiet < 2) await sleep(20)
    }
  }

  async #pump(
    { sandbox, forwarder, begun }: UnderWay,
    frames: AsyncIterable<Parameters<Forwarder['frame']>[0]>,
    signal: AbortSignal,
  ): Promise<void> {
    void this.#watchEngine(sandbox, begun.engine.generation)
    try {
      // What was done before the stream was opened: by a turn that is taken over, or after the last turn's end.
      if (begun.isRestored)
        for (const row of await sandbox.eventsAfter(forwarder.heads)) forwarder.durable(row)
      for await (const frame of frames) {
        const early = forwarder.frame(frame)
        // The stream may leave out what happens while it opens. The log has it, and what the stream still brings: that waits.
        if (early !== undefined)
          for (const row of await sandbox.eventsAfter(forwarder.heads))
            if (row.aggregateID === early.aggregateID && row.seq <= early.seq)
              forwarder.durable(row)
        if (forwarder.failure) this.#stop.abort(forwarder.failure)
      }
    } catch {
      // Below: an ended stream is a lost engine, however it ended.
    }
    if (!signal.aborted)
      this.#stop.abort(new SandboxLost('unusable', "the engine's event stream ended"))
  }

  async #watchEngine(sandbox: Sandbox, generation: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await sleep(1_000, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      if (this.#stop.signal.aborted || !this.#needsEngine) continue
      const problem = await this.#problem(sandbox, generation)
      if (problem !== undefined && this.#isUnderWay()) this.#stop.abort(problem)
    }
  }

  /** A method, so that what has changed during an await is looked at again. */
  #isUnderWay(): boolean {
    return !this.#stop.signal.aborted && this.#needsEngine
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
    const sandbox = await this.#ready.promise
    return sandbox.request({
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
    if (this.#sandbox === undefined || !this.#needsEngine) {
      end()
      return
    }
    const force = setTimeout(end, ABORT_TIMEOUT)
    this.#stop.signal.addEventListener('abort', () => {
      clearTimeout(force)
    })
    const path = `/session/${turn.sessionID}/abort`
    await this.#sandbox
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

/** Whether this request begins a session of a family of its own. */
function isFork({ path }: { path: string }): boolean {
  return path.endsWith('/fork')
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
