import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** What a steady load does: a durable write, a whole turn of a session, or a read. */
export type LoadKind = 'write' | 'turn' | 'read'

/** One request of a steady load, with what its client saw. Times are milliseconds since the epoch. */
export interface Attempt {
  readonly kind: LoadKind
  /** Sequential number within its kind, starting at 0. */
  readonly number: number
  readonly startedAt: number
  readonly endedAt: number
  /** True once the service acknowledged: from then on the write must never be lost. */
  readonly acknowledged: boolean
  /** Id of what was written (a session or a message), where it was acknowledged. */
  readonly id?: string
  /** What went wrong, in a few words, where it was not acknowledged. */
  readonly error?: string
}

/**
 * The acknowledgement log: a file outside the cluster, one JSON line an attempt, written before the next attempt starts.
 * It is the oracle of a drill: whatever it says was acknowledged must be there afterwards.
 */
export class AttemptLog {
  readonly #file: string
  readonly #attempts: Attempt[] = []

  constructor(file: string) {
    this.#file = file
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, '')
  }

  /** Adds one attempt, in memory and on disk. */
  add(attempt: Attempt): void {
    this.#attempts.push(attempt)
    appendFileSync(this.#file, `${JSON.stringify(attempt)}\n`)
  }

  /** The attempts so far, in the order in which they ended. */
  get attempts(): readonly Attempt[] {
    return this.#attempts
  }

  /** Reads a log back from its file. */
  static read(file: string): Attempt[] {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Attempt)
  }
}
