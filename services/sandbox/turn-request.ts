import type { SandboxRequest, TurnAnswer } from '../protocol/sandbox.ts'
import type { Engine } from './engine.ts'

/** The request that a turn makes of the engine. It belongs to the sandbox, not to a worker: whoever dials next finds it as it stands. */
export class TurnRequest {
  readonly #engine: Engine
  #id: string | undefined
  #isUnderWay = false
  #answer: Promise<TurnAnswer | undefined> = Promise.resolve(undefined)

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** The turn that was asked last. */
  get id(): string | undefined {
    return this.#id
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /** The engine's answer; undefined when it dropped the request. */
  get answer(): Promise<TurnAnswer | undefined> {
    return this.#answer
  }

  /** Asks the engine, unless this turn has been asked already. */
  ask(id: string, request: SandboxRequest): void {
    if (this.#id === id) return
    this.#id = id
    this.#isUnderWay = true
    const answer = this.#engine
      .ask(request)
      .catch(() => undefined)
      .finally(() => {
        if (this.#id === id) this.#isUnderWay = false
      })
    this.#answer = answer
  }
}
