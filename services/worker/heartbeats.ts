import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, fetch } from 'undici'
import { z } from 'zod'

/** Time between two, ms. */
const INTERVAL = 1_000
/** Time the API has to answer, ms; then another of its pods is tried. */
const TIMEOUT = 2_000
/** Pause after a failure, ms. */
const PAUSE = 250
const answer = z.object({ turns: z.record(z.string(), z.enum(['held', 'abort', 'stale'])) })

/** A turn that lives as long as its worker says so. */
export interface LivingTurn {
  id: string
  token: string
  fence: number
  /** It is to be aborted; said again and again. */
  onAbort(): void
  /** A newer attempt has taken it. */
  onStale(): void
}

/**
 * Says every second that this worker's turns are alive, all in one call. Calls never overlap: a database that answers slowly gets no
 * more of them for that.
 */
export class Heartbeats {
  readonly #url: string
  readonly #dispatcher = new Agent({ keepAliveTimeout: 10_000, connections: 2 })
  readonly #turns = new Map<string, LivingTurn>()
  readonly #stop = new AbortController()

  readonly #onError: (error: unknown) => void

  /** @param onError - Is told of each call that fails. */
  constructor(apiURL: string, onError: (error: unknown) => void) {
    this.#onError = onError
    this.#url = `${apiURL.replace(/\/+$/, '')}/internal/heartbeats`
    void this.#beat()
  }

  /** @returns what ends it. */
  add(turn: LivingTurn): () => void {
    const key = `${turn.id} ${turn.fence.toString()}`
    this.#turns.set(key, turn)
    return () => this.#turns.delete(key)
  }

  close(): void {
    this.#stop.abort()
    void this.#dispatcher.destroy()
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const isGood =
        this.#turns.size === 0 ||
        (await this.#say().then(yes, (error: unknown) => {
          this.#onError(error)
          return false
        }))
      await sleep(isGood ? INTERVAL : PAUSE, undefined, { signal, ref: false }).catch(no)
    }
  }

  async #say(): Promise<void> {
    const turns = [...this.#turns.values()]
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ turns: turns.map(({ token, fence }) => ({ token, fence })) }),
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT), this.#stop.signal]),
      dispatcher: this.#dispatcher,
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw new Error(`the API answered ${response.status.toString()} to heartbeats`)
    }
    const said = answer.parse(await response.json()).turns
    for (const turn of turns) {
      const state = said[`${turn.id} ${turn.fence.toString()}`]
      if (state === 'abort') turn.onAbort()
      if (state === 'stale') turn.onStale()
    }
  }
}

const yes = () => true
const no = () => false
