// `npm run scale [-- SCENARIO… down dead-prometheus]`: load on the local production profile, the autoscalers' steps in a table
// beside the soonest that the document's policy allows, and everything as JSON in .cache/scaling.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../cluster/paths.ts'
import { withoutPrometheus } from '../test/scaling/dead-prometheus.ts'
import { prepare, scaleDown, scaleUp, type Outcome } from '../test/scaling/run.ts'
import { halfWay, scenarios, type Scenario } from '../test/scaling/scenarios.ts'
import { formatTable } from '../test/scaling/table.ts'
import type { Component, Sample } from '../test/scaling/watch.ts'
import { UserError, main } from './lib/user-error.ts'

const folder = join(root, '.cache', 'scaling')
const known = [...scenarios.map(({ name }) => name), 'down', 'dead-prometheus']
const say = (text: string): void => void process.stdout.write(`${text}\n`)

function keep(name: string, content: unknown): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(content, null, 1))
}

function report(outcome: Outcome): void {
  keep(outcome.scenario, outcome)
  say(formatTable(outcome.scenario, outcome.rows))
}

/** Scenarios that can run at once: of different components. */
function groups(chosen: readonly Scenario[]): Scenario[][] {
  const all: Scenario[][] = []
  for (const one of chosen) {
    const free = all.find((group) => group.every(({ component }) => component !== one.component))
    if (free) free.push(one)
    else all.push([one])
  }
  return all
}

/** Load on, up to the maximum, load off. */
async function up(group: readonly Scenario[]): Promise<void> {
  for (const { title } of group) say(title)
  await prepare(group)
  const outcomes = await Promise.all(group.map((scenario) => scaleUp(scenario, 360)))
  await Promise.all(outcomes.map(({ stop }) => stop()))
  outcomes.forEach(report)
  const short = group.filter(
    ({ maximum }, index) => (outcomes[index]?.samples.at(-1)?.ready ?? 0) < maximum,
  )
  if (short.length > 0)
    throw new Error(
      `not at the maximum after 6 minutes: ${short.map(({ name }) => name).join(', ')}`,
    )
}

/** Down to the minimum; `endedAt`: when each component's last load ended, where it had one. */
async function down(
  chosen: readonly Scenario[],
  endedAt: ReadonlyMap<Component, number>,
): Promise<void> {
  say('down again, with the load gone')
  const components = [...new Map(chosen.map((one) => [one.component, one])).values()]
  const follow = ({ component, minimum }: Scenario): Promise<Outcome> =>
    scaleDown(`${component} down`, component, minimum, endedAt.get(component) ?? Date.now(), 780)
  const outcomes = await Promise.all(components.map(follow))
  outcomes.forEach(report)
  const high = components.filter(
    ({ minimum }, index) => (outcomes[index]?.samples.at(-1)?.ready ?? Infinity) > minimum,
  )
  if (high.length > 0)
    throw new Error(
      `not at the minimum after 13 minutes: ${high.map(({ component }) => component).join(', ')}`,
    )
}

/** Prometheus away under load for seven minutes, half-way up: longer than a scale-down that a wrong zero would cause is held back. */
async function deadPrometheus(): Promise<void> {
  const { scenario, pods } = halfWay
  say(`Prometheus away for seven minutes, with load for ${pods} pods`)
  await prepare([scenario])
  const { stop, samples: before } = await scaleUp(scenario, 360, pods)
  let samples: Sample[]
  try {
    if ((before.at(-1)?.ready ?? 0) < pods) throw new Error(`not at ${pods} pods after 6 minutes`)
    samples = await withoutPrometheus(scenario.component, 420)
  } finally {
    await stop()
  }
  keep('dead-prometheus', samples)
  const counts = samples.map(({ desired }) => desired)
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  say(
    `of ${pods} pods, between ${least} and ${most} were asked for (minimum ${scenario.minimum}, maximum ${scenario.maximum}), ${samples.length} looks`,
  )
  if (least < scenario.minimum) throw new Error('the component went below its minimum')
  if (most >= scenario.maximum) throw new Error('the component went to its maximum')
}

await main(async () => {
  const names = process.argv.slice(2)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new UserError(`unknown scenario "${unknown}". Known: ${known.join(', ')}.`)
  const chosen = scenarios.filter(({ name }) => names.length === 0 || names.includes(name))
  const endedAt = new Map<Component, number>()
  for (const group of groups(chosen)) {
    await up(group)
    for (const { component } of group) endedAt.set(component, Date.now())
  }
  if (names.length === 0 || names.includes('down'))
    await down(chosen.length > 0 ? chosen : scenarios, endedAt)
  if (names.length === 0 || names.includes('dead-prometheus')) await deadPrometheus()
})
