import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { dashboards } from '../../scripts/lib/generate/dashboards/index.ts'
import { defaults } from '../../values/defaults.ts'
import { alertCases } from './alerts.ts'
import { cases } from './cases.ts'
import { knownMetrics, targetLabels, type KnownMetrics } from './lib/metrics.ts'
import { root } from './lib/paths.ts'
import { checkQueries, checkRules, ruleGroups, testAlerts, type Rule } from './lib/prometheus.ts'
import { groupings, selectors } from './lib/promql.ts'
import { render, type KubernetesObject } from './lib/render.ts'

const runbooks = join(root, 'docs', 'runbooks')
let objects: KubernetesObject[] = []
let rules: Rule[] = []
let known: KnownMetrics = new Map()

beforeAll(async () => {
  objects = await render(
    'helm4',
    cases.find(({ name }) => name === 'us'),
  )
  rules = ruleGroups(objects).flatMap((group) => group.rules)
  known = await knownMetrics()
})

/** Queries of the dashboards, as Grafana would send them. */
const dashboardQueries = Object.values(dashboards).flatMap(({ panels }) =>
  panels.flatMap(({ queries }) => queries.map(([query]) => query.replaceAll('$namespace', '.+'))),
)

/** Queries of autoscalers and of a canary's analysis. */
function controllerQueries(): string[] {
  return [
    ...JSON.stringify(
      objects.filter(({ kind }) => ['ScaledObject', 'AnalysisTemplate'].includes(kind)),
    ).matchAll(/"query":("(?:[^"\\]|\\.)*")/g),
  ].map(([, text = '']) => (JSON.parse(text) as string).replaceAll('{{args.pod-hash}}', 'hash'))
}

describe('rules', () => {
  test('promtool accepts them, with all its advice', async () => {
    expect(await checkRules('us', ruleGroups(objects))).toBe('')
  })

  test('every alert fires when it should, and not when it is only near', async () => {
    expect(await testAlerts(ruleGroups(objects), alertCases)).toBe('')
  })

  test('every alert has a case, and every case an alert', () => {
    const alerts = rules.flatMap(({ alert }) => alert ?? [])
    expect([...new Set(alertCases.map(({ alert }) => alert))].sort()).toEqual([...alerts].sort())
  })
})

describe('queries', () => {
  test('promtool parses those of dashboards, autoscalers and analyses', async () => {
    expect(controllerQueries().length).toBeGreaterThan(2)
    expect(await checkQueries('dashboards', dashboardQueries)).toBe('')
    expect(await checkQueries('controllers', controllerQueries())).toBe('')
  })

  test('name only metrics that somebody exports, and only labels that they have', () => {
    const all = new Map(known)
    for (const { record, labels } of rules)
      if (record) all.set(record, new Set(Object.keys(labels)))
    const problems = [
      ...rules.map(({ expr }) => expr),
      ...dashboardQueries,
      ...controllerQueries(),
    ].flatMap((query) => {
      const found = selectors(query)
      expect(found, query).not.toEqual([])
      const unknown = found
        .filter(({ metric }) => !all.has(metric))
        .map(({ metric }) => `${metric} in ${query}`)
      const have = new Set([
        ...targetLabels,
        ...found.flatMap(({ metric }) => [...(all.get(metric) ?? [])]),
      ])
      const wrong = [...found.flatMap(({ labels }) => labels), ...groupings(query)].filter(
        (label) => !have.has(label),
      )
      return [...unknown, ...wrong.map((label) => `label ${label} in ${query}`)]
    })
    expect(problems).toEqual([])
  })
})

describe('runbooks', () => {
  const books = readdirSync(runbooks).filter((name) => name.endsWith('.md') && name !== 'README.md')

  test('every alert links to its own', () => {
    for (const { alert, annotations } of rules) {
      if (!alert) continue
      expect(annotations?.['runbook_url']).toBe(
        `${defaults.monitoring.rules.runbookUrl}/${alert}.md`,
      )
      expect(annotations?.['summary']).toMatch(/^[A-Z].{20,}/)
      expect(existsSync(join(runbooks, `${alert}.md`)), alert).toBe(true)
    }
  })

  test('there is none without an alert, and the index lists them all', () => {
    const alerts = new Set(rules.map(({ alert }) => `${alert ?? ''}.md`))
    const index = readFileSync(join(runbooks, 'README.md'), 'utf8')
    for (const book of books) {
      expect(alerts).toContain(book)
      expect(index).toContain(`](${book})`)
    }
  })

  test.each(books)(
    '%s says what it means, where to look and what to do; its links lead somewhere',
    (book) => {
      const text = readFileSync(join(runbooks, book), 'utf8')
      expect(text).toMatch(new RegExp(`^# ${book.replace('.md', '')}\n\n.{20,}`))
      expect(text).toContain('\n**Users notice:**')
      expect(text).toMatch(/\n## Look\n\n1\. [\s\S]+```[\s\S]+\n## Mend\n\n- /)
      for (const [, link = ''] of text.matchAll(/\]\(([^)#:]+)\)/g))
        expect(existsSync(join(dirname(join(runbooks, book)), link)), link).toBe(true)
    },
  )

  test('values that they name exist', () => {
    const paths = books.flatMap((book) => [
      ...readFileSync(join(runbooks, book), 'utf8').matchAll(
        /`((?:api|worker|websocket|postgres|redis|keda|llm|credentials|networkPolicy|monitoring)\.[\w.]+)`/g,
      ),
    ])
    for (const [, path = ''] of paths) {
      const keys = path.split('.')
      const parent = keys
        .slice(0, -1)
        .reduce<unknown>(
          (value, key) => (value as Record<string, unknown> | undefined)?.[key],
          defaults,
        )
      expect(parent, path).toBeTypeOf('object')
    }
  })
})

describe('dashboards', () => {
  test("the document's four panels come first, as panels of today", () => {
    expect(
      dashboards['overview']?.panels
        .slice(0, 4)
        .map(({ title, type = 'timeseries' }) => [title, type]),
    ).toEqual([
      ['Request Rate', 'timeseries'],
      ['P99 Latency', 'timeseries'],
      ['Active Sessions', 'stat'],
      ['Token Usage', 'timeseries'],
    ])
  })

  test("the ConfigMap carries every dashboard, under the label that Grafana's sidecar looks for", () => {
    const config = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'opencode-dashboards',
    )
    expect(config?.metadata.labels).toMatchObject(defaults.monitoring.dashboards.labels)
    const data = config?.['data'] as Record<string, string>
    expect(Object.keys(data).sort()).toEqual(
      Object.keys(dashboards)
        .map((name) => `opencode-${name}.json`)
        .sort(),
    )
    for (const text of Object.values(data)) expect(JSON.parse(text)).toHaveProperty('panels')
  })
})
