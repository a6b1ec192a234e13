import type { EngineClient } from './engine-client.ts'
import { EngineLost } from './errors.ts'

/** The worker's one engine: started ahead of the next turn, given to a single turn, then recycled. */
export class WarmEngine {
  readonly client: EngineClient
  readonly #defaultConfig: object
  readonly #onFailures: (reason: string, count: number) => void
  #config = ''
  #generation = -1
  #starting: Promise<void> | undefined
  readonly #seen: Record<string, number> = {}

  /**
   * @param defaultConfig - What the engine is started with ahead of a turn; a turn with another configuration waits for a restart.
   * @param onFailures - Told of engine failures, by reason, as they are noticed.
   */
  constructor(client: EngineClient, defaultConfig: object, onFailures: (reason: string, count: number) => void) {
    this.client = client
    this.#defaultConfig = defaultConfig
    this.#onFailures = onFailures
  }

  /** Starts a clean engine for whatever turn comes next. Calls at the same time share one start. */
  warm(): Promise<void> {
    return this.#start(this.#defaultConfig)
  }

  /** A clean engine with this configuration. @returns its generation */
  async take(config: object): Promise<number> {
    if (this.#starting !== undefined) await this.#starting.catch(() => undefined)
    const usable = JSON.stringify(config) === this.#config && (await this.isReady(this.#generation))
    if (!usable) await this.#start(config)
    const generation = this.#generation
    this.#config = ''
    return generation
  }

  /** Whether the engine of that generation still answers. */
  async isReady(generation: number): Promise<boolean> {
    try {
      const status = await this.client.status()
      for (const [reason, count] of Object.entries(status.failures)) {
        if (count > (this.#seen[reason] ?? 0)) this.#onFailures(reason, count - (this.#seen[reason] ?? 0))
        this.#seen[reason] = count
      }
      return status.state === 'ready' && status.generation === generation
    } catch {
      return false
    }
  }

  /** Whether a turn could begin now. */
  async isWarm(): Promise<boolean> {
    return this.#starting === undefined && this.#config !== '' && (await this.isReady(this.#generation))
  }

  #start(config: object): Promise<void> {
    this.#starting ??= this.client
      .start(config)
      .then((generation) => {
        this.#generation = generation
        this.#config = JSON.stringify(config)
      })
      .catch((cause: unknown) => {
        this.#config = ''
        throw new EngineLost('the engine could not be started', { cause })
      })
      .finally(() => { this.#starting = undefined })
    return this.#starting
  }
}
