import { observe, unknownRegion } from './region-health.ts'
import type { Hysteresis, RegionHealth, RegionRecord } from './region-health.ts'

/** How a {@link RegionManager} is set up. */
export interface RegionManagerOptions extends Partial<Hysteresis> {
  /** Origin of each region's API by region name, e.g. `{us: 'https://us.api.example.org'}`. */
  readonly origins: Readonly<Record<string, string>>
  /** The region to use when none is healthy. */
  readonly defaultRegion: string
  /** A check without an answer by then has failed, ms. @default 2000 */
  readonly timeout?: number
  /** How much faster another region must be to take precedence, ms; it must be twice as fast as well. @default 50 */
  readonly nearer?: number
  /** @default the global `fetch` */
  readonly fetch?: typeof fetch
  /** Clock, Unix ms. @default Date.now */
  readonly now?: () => number
}

// A region further away takes over only where it is clearly nearer on the wire: both must hold.
const NEARER_RATIO = 0.5

/** Knows which regions are healthy and picks the best one. Runs in Workers and in Node. */
export class RegionManager {
  private regions: Map<string, RegionRecord> = new Map()
  readonly #options: RegionManagerOptions
  readonly #hysteresis: Hysteresis
  readonly #now: () => number

  constructor({ down = 3, up = 2, now = Date.now, ...options }: RegionManagerOptions) {
    this.#options = options
    this.#hysteresis = { down, up }
    this.#now = now
    for (const region of Object.keys(options.origins)) this.regions.set(region, unknownRegion(up))
  }

  /** Asks the region's `/health`, remembers the outcome, and tells the region's health after it. Never rejects for an unhealthy region. */
  async checkHealth(region: string): Promise<RegionHealth> {
    const latency = await this.probe(region)
    this.#observe(region, latency, 'probe')
    return this.health(region)
  }

  /** Asks the region's `/health` and remembers nothing. @returns milliseconds, or -1 when it did not answer well in time */
  async probe(region: string): Promise<number> {
    const { origins, timeout = 2_000, fetch: request = fetch } = this.#options
    const origin = origins[region]
    if (origin === undefined)
      throw new Error(`unknown region "${region}". Known: ${Object.keys(origins).join(', ')}.`)
    const start = this.#now()
    try {
      const response = await request(`${origin}/health`, {
        redirect: 'manual',
        signal: AbortSignal.timeout(timeout),
      })
      await response.body?.cancel()
      return response.ok ? this.#now() - start : -1
    } catch {
      return -1
    }
  }

  /** Counts a failed request of live traffic as a failed check. @returns whether the region fell by it */
  reportFailure(region: string): boolean {
    return this.#observe(region, -1, 'traffic')
  }

  /** The health of one region. */
  health(region: string): RegionHealth {
    const { healthy, latency, lastCheck } = this.#record(region)
    return { region, healthy, latency, lastCheck: new Date(lastCheck) }
  }

  /**
   * The best region. Without an argument the healthy one that answers fastest, as measured from here. With regions in order of
   * preference: the first healthy one, unless another is at least twice as fast and 50 ms faster. None is healthy: the first
   * preferred one, else the default region.
   */
  getBestRegion(preferred?: readonly string[]): string {
    const latency = (name: string): number => {
      const known = this.#record(name).latency
      return known < 0 ? Infinity : known
    }
    const healthy = (preferred ?? [...this.regions.keys()]).filter(
      (name) => this.regions.get(name)?.healthy,
    )
    const fastest = [...healthy].sort((a, b) => latency(a) - latency(b))[0]
    if (fastest === undefined) return preferred?.[0] ?? this.#options.defaultRegion
    if (preferred === undefined) return fastest
    const first = healthy[0] ?? fastest
    const [far, near] = [latency(first), latency(fastest)]
    const nearer =
      far !== Infinity && near < far * NEARER_RATIO && far - near >= (this.#options.nearer ?? 50)
    return nearer ? fastest : first
  }

  /** Everything remembered, as plain data. */
  toJSON(): Record<string, RegionRecord> {
    return structuredClone(Object.fromEntries(this.regions))
  }

  /** Takes over what {@link toJSON} gave. Regions that are no longer known are left out. */
  restore(records: Readonly<Record<string, RegionRecord>>): void {
    for (const name of this.regions.keys()) {
      const record = records[name]
      if (record !== undefined) this.regions.set(name, structuredClone(record))
    }
  }

  #observe(region: string, latency: number, source: 'probe' | 'traffic'): boolean {
    return observe(
      this.#record(region),
      { at: this.#now(), ok: latency >= 0, latency, source },
      this.#hysteresis,
    )
  }

  #record(region: string): RegionRecord {
    const record = this.regions.get(region)
    if (record === undefined)
      throw new Error(`unknown region "${region}". Known: ${[...this.regions.keys()].join(', ')}.`)
    return record
  }
}
