import { earliest } from './policy.ts'
import type { Sample } from './watch.ts'

/** One change of what an autoscaler asked for, with its times in seconds after the load changed. */
export interface Row {
  readonly from: number
  readonly to: number
  readonly asked: number
  /** Until as many pods were ready; undefined where they were not before the end. */
  readonly ready: number | undefined
  /** The soonest that the policy allows. */
  readonly bound: number
}

/** The steps of a run from its first number of pods to `target`. */
export function rows(samples: readonly Sample[], loadAt: number, target: number): Row[] {
  const start = samples[0]?.desired ?? 0
  const seconds = (at: number): number => Math.round((at - loadAt) / 1000)
  const changes = samples.flatMap((sample, index) => {
    const before = samples[index - 1]
    return before !== undefined && before.desired !== sample.desired
      ? [{ from: before.desired, sample }]
      : []
  })
  return changes.map(({ from, sample }) => {
    const up = sample.desired > from
    const there = samples.find(
      ({ at, ready }) =>
        at >= sample.at && (up ? ready >= sample.desired : ready <= sample.desired),
    )
    return {
      from,
      to: sample.desired,
      asked: seconds(sample.at),
      ready: there === undefined ? undefined : seconds(there.at),
      bound: earliest(start, target, sample.desired),
    }
  })
}

/** The table as it is printed and written into docs/production.md. */
export function formatTable(name: string, list: readonly Row[]): string {
  const head = ['scenario', 'pods', 'asked for after', 'ready after', 'policy allows after']
  const lines = list.map(({ from, to, asked, ready, bound }) => [
    name,
    `${from} → ${to}`,
    `${asked} s`,
    ready === undefined ? '–' : `${ready} s`,
    `${bound} s`,
  ])
  return [head, head.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}
