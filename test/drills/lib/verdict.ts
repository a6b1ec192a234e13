import type { Attempt, LoadKind } from './attempts.ts'

/** What the document's RTO/RPO table allows, in seconds. */
export interface Budget {
  /** Longest time without a success. 0 means: none that the load can tell from its own pace, see {@link resolution}. */
  readonly rtoSeconds: number
  /** Age of the oldest acknowledged write that may be missing. 0 means: none missing. */
  readonly rpoSeconds: number
}

/** A client gives a request 5 s and then asks again: a shorter gap is one slow answer, not an outage. */
export const zeroRtoSeconds = 5

/** The figures of one drill for one kind of load. */
export interface Measurement {
  readonly kind: LoadKind
  readonly attempts: number
  readonly failed: number
  /**
   * Longest time between two consecutive successes, in seconds. For turns at least as long as the slowest one took: while one
   * waits for a new worker the others go on.
   */
  readonly rtoSeconds: number
  /** From the failure to the end of the last request that failed, in seconds; 0 where none did. A gap shows no part that still fails. */
  readonly lastFailureSeconds: number
  /** The same as {@link rtoSeconds} before anything was broken, in seconds. */
  readonly steadySeconds: number
  /** Acknowledged, and not there afterwards. */
  readonly missing: number
  /** How far back before the failure the oldest missing write was acknowledged, in seconds; 0 where nothing is missing. */
  readonly rpoSeconds: number
  /** There more than once, though written once. */
  readonly duplicates: number
}

/** A span of time, milliseconds since the epoch. */
export interface Gap {
  readonly start: number
  readonly end: number
}

/** The moments of a run, milliseconds since the epoch. */
export interface Moments {
  readonly from: number
  /** When the first step that breaks something began. */
  readonly broken: number
  readonly to: number
}

/** The longest time between consecutive successes, with the ends of the window counting as edges. */
export function longestGap(attempts: readonly Attempt[], from: number, to: number): Gap {
  const successes = attempts.filter((one) => one.acknowledged).map((one) => one.endedAt)
  const times = [
    from,
    ...successes.sort((a, b) => a - b).filter((time) => time >= from && time <= to),
    to,
  ]
  let widest = { start: from, end: from }
  times.slice(1).forEach((end, index) => {
    const start = times[index] ?? from
    if (end - start > widest.end - widest.start) widest = { start, end }
  })
  return widest
}

const seconds = (gap: Gap): number => (gap.end - gap.start) / 1000

/** How long the longest successful request took, in seconds. */
function slowest(attempts: readonly Attempt[]): number {
  return Math.max(
    0,
    ...attempts
      .filter((one) => one.acknowledged)
      .map((one) => (one.endedAt - one.startedAt) / 1000),
  )
}

/** The longest time between two consecutive successes within a window. */
function steady(attempts: readonly Attempt[], from: number, to: number): number {
  const times = attempts
    .filter((one) => one.acknowledged && one.endedAt >= from && one.endedAt <= to)
    .map((one) => one.endedAt)
  const first = Math.min(...times)
  return times.length < 2 ? 0 : seconds(longestGap(attempts, first, Math.max(...times)))
}

/**
 * Compares the acknowledgement log with what the service has afterwards.
 * @param present ids found in the service after recovery, as often as they were found
 */
export function measure(
  kind: LoadKind,
  attempts: readonly Attempt[],
  present: readonly string[],
  moments: Moments,
): Measurement {
  const mine = attempts.filter((one) => one.kind === kind)
  const counts = new Map<string, number>()
  for (const id of present) counts.set(id, (counts.get(id) ?? 0) + 1)
  const missing = mine.filter(
    (one) => one.acknowledged && one.id !== undefined && !counts.has(one.id),
  )
  const gap = longestGap(mine, moments.from, moments.to)
  const failures = mine.filter((one) => !one.acknowledged)
  const lastFailure = Math.max(moments.broken, ...failures.map((one) => one.endedAt))
  const oldest = Math.min(...missing.map((one) => one.endedAt))
  // Acknowledged after the failure and missing is a loss too, of however little.
  const newest = Math.max(moments.broken, ...missing.map((one) => one.endedAt))
  return {
    kind,
    attempts: mine.length,
    failed: failures.length,
    rtoSeconds: Math.max(seconds(gap), kind === 'turn' ? slowest(mine) : 0),
    lastFailureSeconds: (lastFailure - moments.broken) / 1000,
    steadySeconds: steady(mine, moments.from, moments.broken),
    missing: missing.length,
    rpoSeconds: missing.length === 0 ? 0 : Math.max(0.001, (newest - oldest) / 1000),
    duplicates: [...counts.values()].filter((count) => count > 1).length,
  }
}

/** The shortest gap that counts: a machine whose load pauses by itself cannot show a shorter one. */
export function resolution(measurement: Pick<Measurement, 'steadySeconds'>): number {
  return Math.max(zeroRtoSeconds, 2 * measurement.steadySeconds)
}

/** Why a measurement misses its budget, one line a reason; none where it holds. */
export function violations(measurement: Measurement, budget: Budget): string[] {
  const allowed = Math.max(budget.rtoSeconds, resolution(measurement))
  const reasons: string[] = []
  const { kind, attempts, failed, rtoSeconds, rpoSeconds, missing, duplicates } = measurement
  // Without a single success nothing was measured at all.
  if (attempts === failed) reasons.push(`${kind}: none of ${attempts} requests succeeded`)
  if (rtoSeconds > allowed)
    reasons.push(
      `${kind}: ${rtoSeconds.toFixed(1)} s without a success, ${allowed.toFixed(0)} s allowed`,
    )
  if (rpoSeconds > budget.rpoSeconds)
    reasons.push(
      `${kind}: ${missing} acknowledged and missing, the oldest ${rpoSeconds.toFixed(1)} s before the failure`,
    )
  if (duplicates > 0) reasons.push(`${kind}: ${duplicates} written once and found more than once`)
  return reasons
}
