/** One measured number beside its target. */
export interface Finding {
  readonly what: string
  readonly measured: number
  /** The most it may be; absent: told for information only. */
  readonly limit?: number
  /** Decimals shown. @default 2 */
  readonly decimals?: number
  /** `×`, `ms`, `KiB`. */
  readonly unit: string
  /** The numbers behind it. */
  readonly detail: string
}

/** The middle value. @throws Error when there is none */
export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** The value that `share` percent of the others are not above (nearest rank). @throws Error when there is none */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)]
  if (value === undefined) throw new Error('nothing was measured')
  return value
}

/** Whether a finding is within its target. */
export function holds({ measured, limit }: Finding): boolean {
  return limit === undefined || measured <= limit
}

/** Findings as a table. */
export function table(findings: readonly Finding[]): string {
  const rows = findings.map((finding) => {
    const { what, measured, limit, unit, decimals = 2, detail } = finding
    const verdict = limit === undefined ? '' : holds(finding) ? 'holds' : 'MISSED'
    return [
      what,
      `${measured.toFixed(decimals)} ${unit}`,
      limit === undefined ? '' : `≤ ${limit.toString()} ${unit}`,
      verdict,
      detail,
    ]
  })
  const all = [['', 'measured', 'target', '', 'how'], ...rows]
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  )
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
