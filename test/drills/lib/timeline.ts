import type { Attempt, LoadKind } from './attempts.ts'

/** Something that happened in the cluster while a drill ran. */
export interface ClusterEvent {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly text: string
  /** A step of the drill itself, rather than what the cluster did about it. */
  readonly own: boolean
}

const width = 1000
const left = 70
const laneHeight = 46
const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

/** A lane of ticks: green where a request was acknowledged, red where it failed. */
function lane(kind: LoadKind, index: number, attempts: readonly Attempt[], x: (time: number) => number): string {
  const top = 24 + index * laneHeight
  const tick = (one: Attempt): string => {
    const color = one.acknowledged ? '#16a34a' : '#dc2626'
    const height = one.acknowledged ? 14 : 22
    return `<path d="M${x(one.endedAt).toFixed(1)} ${top + 24 - height}v${height}" stroke="${color}" stroke-width="1"/>`
  }
  return `<text x="8" y="${top + 20}">${kind}</text><path d="M${left} ${top + 24}H${width - 10}" stroke="#cbd5e1"/>${attempts.map(tick).join('')}`
}

/** Labels of events, each on its own row so that none covers another. */
function labels(events: readonly ClusterEvent[], top: number, x: (time: number) => number): string {
  return events
    .map((event, index) => {
      const at = x(event.at)
      const color = event.own ? '#b91c1c' : '#334155'
      const y = top + 16 + index * 15
      const anchor = at > width * 0.6 ? 'end' : 'start'
      const offset = anchor === 'end' ? -5 : 5
      return (
        `<path d="M${at.toFixed(1)} 16V${y}" stroke="${color}" stroke-width="0.7" stroke-dasharray="3 3"/>` +
        `<text x="${(at + offset).toFixed(1)}" y="${y}" fill="${color}" text-anchor="${anchor}">${escapeXml(event.text)}</text>`
      )
    })
    .join('')
}

/** Seconds between axis marks so that about ten fit. */
function axisStep(seconds: number): number {
  return [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((step) => seconds / step <= 12) ?? 1200
}

/** Draws a drill as one self-contained SVG: a lane for each kind of load, the failure's steps in red, the cluster's events in grey. */
export function timeline(attempts: readonly Attempt[], events: readonly ClusterEvent[], window: readonly [number, number]): string {
  const [from, to] = window
  const x = (time: number): number => left + ((time - from) / Math.max(1, to - from)) * (width - left - 10)
  const kinds = [...new Set(attempts.map((one) => one.kind))]
  const shown = [...events].sort((a, b) => a.at - b.at).slice(0, 24)
  const axisTop = 24 + kinds.length * laneHeight
  const seconds = (to - from) / 1000
  const step = axisStep(seconds)
  const marks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step)
    .map((mark) => `<text x="${x(from + mark * 1000).toFixed(1)}" y="${axisTop}" text-anchor="middle" fill="#64748b">${mark} s</text>`)
    .join('')
  const height = axisTop + 24 + shown.length * 15
  const lanes = kinds.map((kind, index) => lane(kind, index, attempts.filter((one) => one.kind === kind), x)).join('')
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11" role="img">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${lanes}${marks}${labels(shown, axisTop + 6, x)}</svg>`
  )
}
