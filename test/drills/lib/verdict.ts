import type { Attempt, LoadKind } from './attempts.ts'

/** What the document's RTO/RPO table allows, in seconds. */
export interface Budget {
  /** Longest time without a success. 0 means: no longer than {@link zeroRtoSeconds}, the resolution of the load. */
  readonly rtoSeconds: number
  /** Age of the oldest acknowledged write that may be missing. 0 means: none missing. */
  readonly rpoSeconds: number
}

/** The load starts a request every 200 ms: a shorter gap than this cannot be told from none. */
export const zeroRtoSeconds = 1

/** The figures of one drill for one kind of load. */
export interface Measurement {
  readonly kind: LoadKind
  readonly attempts: number
  readonly failed: number
  /** Longest time between two consecutive successes, in seconds. */
  readonly rtoSeconds: number
  /** Acknowledged, and not there afterwards. */
  readonly missing: number
  /** From the oldest missing write to the end of the gap, in seconds; 0 where nothing is missing. */
  readonly rpoSeconds: number
  /** There more than once, though written once. */
  readonly duplicates: number
}

/** The longest time between consecutive successes, with the ends of the window counting as edges. */
export function longestGap(attempts: readonly Attempt[], from: number, to: number): { start: number; end: number } {
  const successes = attempts.filter((one) => one.acknowledged).map((one) => one.endedAt)
  const times = [from, ...successes.sort((a, b) => a - b).filter((time) => time >= from && time <= to), to]
  let widest = { start: from, end: from }
  times.slice(1).forEach((end, index) => {
    const start = times[index] ?? from
    if (end - start > widest.end - widest.start) widest = { start, end }
  })
  return widest
}

/**
 * Compares the acknowledgement log with what the service has afterwards.
 * @param present ids found in the service after recovery, as often as they were found
 */
export function measure(
  kind: LoadKind,
  attempts: readonly Attempt[],
  present: readonly string[],
  window: readonly [number, number],
): Measurement {
  const mine = attempts.filter((one) => one.kind === kind)
  const counts = new Map<string, number>()
  for (const id of present) counts.set(id, (counts.get(id) ?? 0) + 1)
  const missing = mine.filter((one) => one.acknowledged && one.id !== undefined && !counts.has(one.id))
  const gap = longestGap(mine, ...window)
  const oldest = Math.min(...missing.map((one) => one.endedAt))
  return {
    kind,
    attempts: mine.length,
    failed: mine.filter((one) => !one.acknowledged).length,
    rtoSeconds: (gap.end - gap.start) / 1000,
    missing: missing.length,
    rpoSeconds: missing.length === 0 ? 0 : Math.max(0, (gap.end - oldest) / 1000),
    duplicates: [...counts.values()].filter((count) => count > 1).length,
  }
}

/** Why a measurement misses its budget, one line a reason; none where it holds. */
export function violations(measurement: Measurement, budget: Budget): string[] {
  const allowed = Math.max(budget.rtoSeconds, zeroRtoSeconds)
  const reasons: string[] = []
  const { kind, rtoSeconds, rpoSeconds, missing, duplicates } = measurement
  if (rtoSeconds > allowed) reasons.push(`${kind}: ${rtoSeconds.toFixed(1)} s without a success, ${allowed} s allowed`)
  if (rpoSeconds > budget.rpoSeconds) reasons.push(`${kind}: ${missing} acknowledged and missing, the oldest ${rpoSeconds.toFixed(1)} s before recovery`)
  if (duplicates > 0) reasons.push(`${kind}: ${duplicates} written once and found more than once`)
  return reasons
}
