import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { $ } from 'zx'
import { earlierCharts } from '../cluster/lib/charts.ts'
import { root } from './lib/paths.ts'
import { render } from './lib/render.ts'

type Values = Record<string, unknown>

const folder = mkdtempSync(join(tmpdir(), 'opencode-stored-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Takes what a path leads to out of the values. */
function take(values: Values, path: string): unknown {
  const names = path.split('.')
  const last = names.pop() ?? ''
  const parent = names.reduce<Values | undefined>(
    (at, name) => at?.[name] as Values | undefined,
    values,
  )
  const found = parent?.[last]
  if (parent !== undefined) Reflect.deleteProperty(parent, last)
  return found
}

function put(values: Values, path: string, value: unknown): void {
  const names = path.split('.')
  const last = names.pop() ?? ''
  const parent = names.reduce((at, name) => (at[name] ??= {}) as Values, values)
  const there = parent[last]
  parent[last] =
    typeof value === 'object' && typeof there === 'object' ? { ...there, ...value } : value
}

/** What "Before you upgrade" in CHANGELOG.md has renamed, old and new; without a new name it is gone. */
const renamed: readonly (readonly [string, string?])[] = [
  ['worker.engine', 'sandbox'],
  ['worker.workspaceSize', 'sandbox.workspace.sizeLimit'],
  ['worker.scheduling.runtimeClassName', 'sandbox.scheduling.runtimeClassName'],
  ['worker.scheduling.hostUsers', 'sandbox.scheduling.hostUsers'],
  ['keda.worker.turnsPerPod', 'worker.turnsPerPod'],
  ['api.limits.workspaceSnapshot'],
  ['networkPolicy.workerEgress'],
]

/** Stored values after the steps that "Before you upgrade" in CHANGELOG.md asks for. */
function prepared(values: Values): Values {
  for (const [from, to] of renamed) {
    const found = take(values, from)
    if (found !== undefined && to !== undefined) put(values, to, found)
  }
  const { generate, tickets } = (values['credentials'] ?? {}) as Values
  if (generate === false && tickets === undefined)
    put(values, 'credentials.tickets', { existingSecret: 'tickets', existingConfigMap: 'tickets' })
  return values
}

/**
 * What `helm upgrade --reset-then-reuse-values` does: the values that users gave to the earlier chart, which the release stores,
 * over the defaults of this one. Values that are refused belong in CHANGELOG.md under "Before you upgrade".
 */
describe.each(await earlierCharts())('values given to $name', ({ commit }) => {
  test('are accepted by this chart', async () => {
    const target = join(folder, commit)
    await $({ quiet: true, cwd: root })`mkdir ${target}`
    await $({ quiet: true, cwd: root })`git archive ${commit} values chart | tar -x -C ${target}`
    const files = ['values', 'chart/ci']
      .map((place) => join(target, place))
      .filter((place) => existsSync(place))
      .flatMap((place) =>
        readdirSync(place)
          .filter((name) => name.endsWith('.yaml'))
          .map((name) => join(place, name)),
      )
    expect(files.length).toBeGreaterThan(2)
    for (const file of files) {
      const values = prepared(parse(readFileSync(file, 'utf8')) as Values)
      const objects = await render('helm4', { values })
      expect(objects.length, file).toBeGreaterThan(20)
    }
  })
})
