/** Health of one region, as the rest of the system reads it. */
export interface RegionHealth {
  region: string
  /** The verdict after hysteresis, not the outcome of one check. */
  healthy: boolean
  /** Smoothed time of the health check in milliseconds; -1 while unknown or after a failed check. */
  latency: number
  lastCheck: Date
}

/** One observation in a region's history. */
export interface Observation {
  /** Unix time, ms. */
  readonly at: number
  readonly ok: boolean
  /** Milliseconds; -1 where nothing answered. */
  readonly latency: number
  /** Where it came from: a health check, or a request that failed. */
  readonly source: 'probe' | 'traffic'
}

/** What is remembered of a region. Plain data: it is stored and cached as JSON. */
export interface RegionRecord {
  healthy: boolean
  latency: number
  /** Unix time of the last observation, ms; 0 for never. */
  lastCheck: number
  /** Failures in a row. */
  failures: number
  /** Successes in a row. */
  successes: number
  /** Successes in a row that bring it back. Doubles with each recent fall, so that a flapping origin does not flap routing. */
  needed: number
  /** Unix times of the falls that still count, ms. */
  falls: number[]
  /** The last observations, oldest first. */
  history: Observation[]
}

/** When a region counts as down and up again. */
export interface Hysteresis {
  /** Failures in a row that take a healthy region down. @default 3 */
  readonly down: number
  /** Successes in a row that bring it back the first time. @default 2 */
  readonly up: number
}

const ALPHA = 0.3
const HISTORY = 20
const FALL_MEMORY = 600_000
const MOST_NEEDED = 32

/** A region of which nothing is known is taken to be healthy: no knowledge must not stop traffic. */
export function unknownRegion(up: number): RegionRecord {
  return {
    healthy: true,
    latency: -1,
    lastCheck: 0,
    failures: 0,
    successes: 0,
    needed: up,
    falls: [],
    history: [],
  }
}

/** Adds an observation to a record. @returns whether the verdict changed */
export function observe(
  record: RegionRecord,
  seen: Observation,
  { down, up }: Hysteresis,
): boolean {
  record.lastCheck = seen.at
  record.history = [...record.history, seen].slice(-HISTORY)
  if (!seen.ok) {
    record.failures += 1
    record.successes = 0
    if (!record.healthy || record.failures < down) return false
    record.healthy = false
    record.latency = -1
    record.falls = [...record.falls.filter((at) => at > seen.at - FALL_MEMORY), seen.at]
    record.needed = Math.min(MOST_NEEDED, up * 2 ** (record.falls.length - 1))
    return true
  }
  record.successes += 1
  record.failures = 0
  record.latency =
    record.latency < 0 ? seen.latency : record.latency + ALPHA * (seen.latency - record.latency)
  if (record.healthy || record.successes < record.needed) return false
  record.healthy = true
  return true
}
