// `npm run scale [-- SCENARIO… down dead-prometheus]`: load on the local production profile, the autoscalers' steps in a table
// beside the soonest that the document's policy allows, and everything as JSON in .cache/scaling.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../cluster/paths.ts'
import { withoutPrometheus } from '../test/scaling/dead-prometheus.ts'
import { prepare, scaleDown, scaleUp, type Outcome } from '../test/scaling/run.ts'
import { scenarios, type Scenario } from '../test/scaling/scenarios.ts'
import { formatTable } from '../test/scaling/table.ts'
import type { Sample } from '../test/scaling/watch.ts'
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

/** Load on, up to the maximum, load off. */
async function up(scenario: Scenario): Promise<void> {
  say(scenario.title)
  await prepare(scenario)
  const outcome = await scaleUp(scenario, 360)
  await outcome.stop()
  report(outcome)
  const last = outcome.samples.at(-1)
  if (last === undefined || last.ready < scenario.maximum) throw new Error(`${scenario.name}: ${last?.ready ?? 0} pods of ${scenario.maximum} after 6 minutes`)
}

async function down(chosen: readonly Scenario[]): Promise<void> {
  say('down again, with the load gone')
  const components = [...new Map(chosen.map((one) => [one.component, one])).values()]
  const outcomes = await Promise.all(components.map(({ component, minimum }) => scaleDown(`${component} down`, component, minimum, 780)))
  outcomes.forEach(report)
  for (const { scenario, samples } of outcomes) {
    if (samples.at(-1)?.ready === undefined) throw new Error(`${scenario}: nothing was seen`)
  }
}

/** Prometheus away under load for seven minutes: longer than a scale-down that a wrong zero would cause is held back. */
async function deadPrometheus(): Promise<void> {
  const [scenario] = scenarios
  if (scenario === undefined) throw new Error('there is no scenario')
  say('Prometheus away for seven minutes, with load')
  await prepare(scenario)
  const stop = await scenario.load()
  let samples: Sample[]
  try {
    samples = await withoutPrometheus(scenario.component, 420)
  } finally {
    await stop()
  }
  keep('dead-prometheus', samples)
  const counts = samples.map(({ desired }) => desired)
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  say(`between ${least} and ${most} pods were asked for (minimum ${scenario.minimum}, maximum ${scenario.maximum}), ${samples.length} looks`)
  if (least < scenario.minimum) throw new Error('the component went below its minimum')
  if (most >= scenario.maximum) throw new Error('the component went to its maximum')
}

await main(async () => {
  const names = process.argv.slice(2)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new UserError(`unknown scenario "${unknown}". Known: ${known.join(', ')}.`)
  const chosen = scenarios.filter(({ name }) => names.length === 0 || names.includes(name))
  for (const scenario of chosen) await up(scenario)
  if (names.length === 0 || names.includes('down')) await down(chosen.length > 0 ? chosen : scenarios)
  if (names.length === 0 || names.includes('dead-prometheus')) await deadPrometheus()
})
