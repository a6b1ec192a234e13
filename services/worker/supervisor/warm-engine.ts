import { setTimeout as sleep } from 'node:timers/promises'
import type { FailureReason } from '../engine/engine.ts'
import type { EngineClient } from './engine-client.ts'
import { EngineLost } from './errors.ts'

/** Questions to the engine runner before it counts as gone. */
const STATUS_ATTEMPTS = 3
/** Time between two looks at an engine that waits for a turn, ms. */
const LOOK_INTERVAL = 1_000
/** The first new start comes at once; the pause before the next one, ms. It doubles. */
const START_PAUSE = 1_000
const MAX_START_PAUSE = 30_000
/** An engine that lives so long makes the starts before it forgotten, ms. */
const STEADY = 60_000

const failureTexts: Record<FailureReason, string> = {
  crash: 'the engine ended unexpectedly',
  hang: 'the engine did not answer any more and was ended',
  memory: 'the engine used more memory than it may and was ended',
  start: 'the engine did not start',
}

/** The worker's one engine: started ahead of the next turn, given to a single turn, then recycled. */
export class WarmEngine {
  readonly client: EngineClient
  readonly #defaultConfig: object
  readonly #onFailures: (reason: string, count: number) => void
  readonly #prepare: ((client: EngineClient) => Promise<void>) | undefined
  /** Of the engine that waits; empty while none does. */
  #config = ''
  #generation = -1
  #isTaken = false
  #starting: Promise<void> | undefined
  readonly #seen: Record<string, number> = {}

  /**
   * @param defaultConfig - What the engine is started with ahead of a turn; a turn with another configuration waits for a restart.
   * @param onFailures - Told of engine failures, by reason, as they are noticed.
   * @param prepare - What is done with an engine that was started ahead of a turn; it must not throw.
   */
  constructor(
    client: EngineClient,
    defaultConfig: object,
    onFailures: (reason: string, count: number) => void,
    prepare?: (client: EngineClient) => Promise<void>,
  ) {
    this.client = client
    this.#prepare = prepare
    this.#defaultConfig = defaultConfig
    this.#onFailures = onFailures
  }

  /** Called between turns: sees to it that a clean engine waits for the next. Calls at the same time share one start. */
  async warm(): Promise<void> {
    // A start under way may be that of a turn which was aborted meanwhile, with a configuration of its own.
    await this.#starting?.catch(() => undefined)
    this.#isTaken = false
    if (!(await this.isWarm())) await this.#startAhead()
  }

  /**
   * Looks after the engine between turns: one that dies while it waits is followed by another, after longer and longer pauses where
   * that goes on.
   * @param onError - Told of each start that fails.
   * @returns when the signal says so.
   */
  async keepWarm(signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
    let starts = 0
    let lastStart = Date.now()
    while (!signal.aborted) {
      await sleep(LOOK_INTERVAL, undefined, { signal }).catch(() => undefined)
      if (signal.aborted || this.#isInUse()) continue
      if (Date.now() - lastStart > STEADY) starts = 0
      const pause = starts === 0 ? 0 : Math.min(START_PAUSE * 2 ** (starts - 1), MAX_START_PAUSE)
      if (Date.now() - lastStart < pause || (await this.isWarm()) || this.#isInUse()) continue
      starts += 1
      await this.#startAhead().catch(onError)
      lastStart = Date.now()
    }
  }

  /** A clean engine with this configuration. @returns its generation */
  async take(config: object): Promise<number> {
    this.#isTaken = true
    await this.#starting?.catch(() => undefined)
    const usable = JSON.stringify(config) === this.#config && (await this.isReady(this.#generation))
    if (!usable) await this.#start(config)
    const generation = this.#generation
    this.#config = ''
    return generation
  }

  /** Whether the engine of that generation still answers. */
  async isReady(generation: number): Promise<boolean> {
    return (await this.problem(generation)) === undefined
  }

  /**
   * What is wrong with the engine of that generation, in words for the turn's owner; undefined while it is ready.
   * A runner that cannot be asked is asked again before it counts as gone.
   */
  async problem(generation: number): Promise<string | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { state, generation: current, failure, failures } = await this.client.status()
        this.#countFailures(failures)
        if (current !== generation) return 'the engine was restarted'
        return state === 'ready'
          ? undefined
          : failure === undefined
            ? `the engine is ${state}`
            : failureTexts[failure]
      } catch {
        if (attempt === STATUS_ATTEMPTS) return 'the engine and its container are gone'
        await sleep(200)
      }
    }
  }

  /** Whether a turn could begin now. */
  async isWarm(): Promise<boolean> {
    return (
      this.#starting === undefined && this.#config !== '' && (await this.isReady(this.#generation))
    )
  }

  /** Whether a turn has it or it is being started; then nobody else may start it. A method, as this changes during an await. */
  #isInUse(): boolean {
    return this.#isTaken || this.#starting !== undefined
  }

  #countFailures(failures: Record<string, number>): void {
    for (const [reason, count] of Object.entries(failures)) {
      const more = count - (this.#seen[reason] ?? 0)
      if (more > 0) this.#onFailures(reason, more)
      this.#seen[reason] = count
    }
  }

  #startAhead(): Promise<void> {
    return this.#start(this.#defaultConfig, this.#prepare)
  }

  #start(config: object, prepare?: (client: EngineClient) => Promise<void>): Promise<void> {
    this.#starting ??= this.client
      .start(config)
      .then(async (generation) => {
        await prepare?.(this.client)
        this.#generation = generation
        this.#config = JSON.stringify(config)
      })
      .catch((cause: unknown) => {
        this.#config = ''
        throw new EngineLost('the engine could not be started', { cause })
      })
      .finally(() => {
        this.#starting = undefined
      })
    return this.#starting
  }
}
