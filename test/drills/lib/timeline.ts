import type { Attempt, LoadKind } from './attempts.ts'
import { longestGap, type Moments } from './verdict.ts'

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
const right = 24
const top = 10
const laneHeight = 44
const rowHeight = 16
/** Events that are labelled; a plot with more could not be read. */
const mostLabels = 26
const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

type Scale = (time: number) => number

/** Ticks of one color as one path: a plot of thousands of requests stays small. */
function ticks(
  attempts: readonly Attempt[],
  base: number,
  height: number,
  color: string,
  x: Scale,
): string {
  // Requests closer together than a tenth of a unit are one tick.
  const places = [...new Set(attempts.map((one) => x(one.endedAt).toFixed(1)))]
  return places.length === 0
    ? ''
    : `<path d="${places.map((place) => `M${place} ${base}v-${height}`).join('')}" stroke="${color}"/>`
}

/** A lane of ticks: green where a request succeeded, red and taller where it failed, a band over the longest gap. */
function lane(
  kind: LoadKind,
  index: number,
  attempts: readonly Attempt[],
  moments: Moments,
  x: Scale,
): string {
  const base = top + (index + 1) * laneHeight - 8
  const gap = longestGap(attempts, moments.from, moments.to)
  const [start, end] = [x(gap.start), x(gap.end)]
  const seconds = (gap.end - gap.start) / 1000
  const band =
    seconds < 1
      ? ''
      : `<rect x="${start.toFixed(1)}" y="${base - 30}" width="${(end - start).toFixed(1)}" height="30" fill="#fee2e2"/>`
  const label =
    seconds < 1
      ? ''
      : `<text x="${((start + end) / 2).toFixed(1)}" y="${base - 19}" text-anchor="middle" fill="#991b1b">${seconds.toFixed(1)} s</text>`
  return (
    `<text x="8" y="${base}" fill="#334155">${kind}</text>${band}<path d="M${left} ${base}H${width - right}" stroke="#cbd5e1"/>` +
    ticks(
      attempts.filter((one) => one.acknowledged),
      base,
      12,
      '#16a34a',
      x,
    ) +
    ticks(
      attempts.filter((one) => !one.acknowledged),
      base,
      16,
      '#dc2626',
      x,
    ) +
    label
  )
}

/** Labels of events, each on its own row so that none covers another. */
function labels(events: readonly ClusterEvent[], from: number, x: Scale): string {
  return events
    .map((event, index) => {
      const at = x(event.at)
      const color = event.own ? '#b91c1c' : '#475569'
      const y = from + rowHeight + index * rowHeight
      const before = at > width * 0.6
      return (
        `<path d="M${at.toFixed(1)} ${top}V${y}" stroke="${color}" stroke-width="0.6" stroke-dasharray="2 3"/>` +
        `<text x="${(at + (before ? -4 : 4)).toFixed(1)}" y="${y}" fill="${color}" text-anchor="${before ? 'end' : 'start'}" stroke="#fff" stroke-width="3" paint-order="stroke">${escapeXml(event.text)}</text>`
      )
    })
    .join('')
}

/** Seconds between axis marks so that about ten fit. */
function axisStep(seconds: number): number {
  return [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((step) => seconds / step <= 12) ?? 1200
}

/** Marks in seconds since the failure. */
function axis(moments: Moments, y: number, x: Scale): string {
  const step = axisStep((moments.to - moments.from) / 1000)
  const first = Math.ceil((moments.from - moments.broken) / 1000 / step)
  const last = Math.floor((moments.to - moments.broken) / 1000 / step)
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step)
    .map(
      (mark) =>
        `<text x="${x(moments.broken + mark * 1000).toFixed(1)}" y="${y}" text-anchor="middle" fill="#64748b">${mark} s</text>`,
    )
    .join('')
}

/** The events worth a label: the drill's own first, then the earliest ones, each text once a second. */
export function shownEvents(events: readonly ClusterEvent[], moments: Moments): ClusterEvent[] {
  const inside = events.filter(
    (event) => event.at >= moments.from - 1_000 && event.at <= moments.to,
  )
  const once = new Map(
    inside.map((event) => [`${Math.floor(event.at / 1000)} ${event.text}`, event]),
  )
  const wanted = [...once.values()]
    .sort((a, b) => Number(b.own) - Number(a.own) || a.at - b.at)
    .slice(0, mostLabels)
  return wanted.sort((a, b) => a.at - b.at)
}

/** Draws a run as one self-contained SVG: a lane for each kind of load, the drill's steps in red, the cluster's events in grey. */
export function timeline(
  attempts: readonly Attempt[],
  events: readonly ClusterEvent[],
  moments: Moments,
): string {
  const { from, to } = moments
  const x: Scale = (time) =>
    left +
    ((Math.min(to, Math.max(from, time)) - from) / Math.max(1, to - from)) * (width - left - right)
  const inside = attempts.filter((one) => one.endedAt >= from && one.endedAt <= to)
  const kinds = [...new Set(attempts.map((one) => one.kind))].sort()
  const shown = shownEvents(events, moments)
  const axisTop = top + kinds.length * laneHeight + 12
  const height = axisTop + rowHeight + shown.length * rowHeight
  const lanes = kinds
    .map((kind, index) =>
      lane(
        kind,
        index,
        inside.filter((one) => one.kind === kind),
        moments,
        x,
      ),
    )
    .join('')
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11" role="img">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${lanes}${axis(moments, axisTop, x)}${labels(shown, axisTop, x)}</svg>`
  )
}
