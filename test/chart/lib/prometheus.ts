import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { $ } from 'zx'
import type { AlertCase, Series } from '../alerts.ts'
import { cache, tool } from './paths.ts'
import type { KubernetesObject } from './render.ts'

/** One rule of a PrometheusRule. */
export interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

interface Group {
  readonly name: string
  readonly rules: readonly Rule[]
}

const folder = join(cache, 'prometheus')

/** Groups of all PrometheusRules among the objects. */
export function ruleGroups(objects: readonly KubernetesObject[]): readonly Group[] {
  return objects
    .filter(({ kind }) => kind === 'PrometheusRule')
    .flatMap((object) => (object['spec'] as { groups: Group[] }).groups)
}

/** What promtool says against rules; empty where it accepts them. */
export async function checkRules(name: string, groups: readonly Group[]): Promise<string> {
  const file = write(name, { groups })
  const result = await $({
    quiet: true,
    nothrow: true,
  })`${tool('promtool')} check rules --lint=all --lint-fatal ${file}`
  return result.exitCode === 0 ? '' : result.stdout + result.stderr
}

/** What promtool says against bare queries; empty where it can parse them all. */
export function checkQueries(name: string, queries: readonly string[]): Promise<string> {
  return checkRules(name, [
    {
      name,
      rules: queries.map((expr, index) => ({
        record: `query:${index.toString()}`,
        expr,
        labels: {},
      })),
    },
  ])
}

/** Runs alert cases through promtool: each must fire, and its quiet sibling must not. Empty where all do. */
export async function testAlerts(
  groups: readonly Group[],
  alerts: readonly AlertCase[],
): Promise<string> {
  const said: string[] = []
  // Group by group: a case that lasts for days need not evaluate the rules of the others all the while.
  for (const group of groups) {
    write(`rules-${group.name}`, { groups: [group] })
    const tests = alerts.flatMap((one) => {
      const rule = group.rules.find(({ alert }) => alert === one.alert)
      if (!rule) return []
      const expected = {
        exp_labels: { ...one.labels, ...rule.labels },
        exp_annotations: rule.annotations ?? {},
      }
      return [test(one, 'fires', one.fires, [expected]), test(one, 'stays quiet', one.quiet, [])]
    })
    const file = write(`tests-${group.name}`, {
      rule_files: [`rules-${group.name}.yaml`],
      evaluation_interval: '5m',
      tests,
    })
    const result = await $({ quiet: true, nothrow: true })`${tool('promtool')} test rules ${file}`
    if (result.exitCode !== 0) said.push(result.stdout + result.stderr)
  }
  return said.join('\n')
}

function test({ alert, at }: AlertCase, does: string, series: Series, expected: object[]): object {
  return {
    name: `${alert} ${does}`,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: expected }],
  }
}

function write(name: string, content: object): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, stringify(content, { lineWidth: 0, aliasDuplicateObjects: false }))
  return file
}
