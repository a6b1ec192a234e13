import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { waves } from '../../argocd/waves.ts'
import { defaultRegion, regions, type RegionName } from '../../values/regions.ts'
import { invalidObjects } from '../chart/lib/kubeconform.ts'
import { chart, root } from '../chart/lib/paths.ts'
import { missingReferences } from '../chart/lib/references.ts'
import { id, render, type KubernetesObject } from '../chart/lib/render.ts'

interface Spec {
  source: { path: string; helm: { valueFiles: string[]; valuesObject: object } }
  destination: { name?: string; server?: string; namespace: string }
  ignoreDifferences: {
    group?: string
    kind: string
    jsonPointers?: string[]
    jqPathExpressions?: string[]
  }[]
}

const read = (name: string): KubernetesObject =>
  parse(readFileSync(join(root, 'argocd', `${name}.yaml`), 'utf8')) as KubernetesObject
const project = read('project')
const application = read('application')
const set = read('applicationset')
const template = (set['spec'] as { template: { spec: Spec } }).template.spec

const regionFile = (region: string): string => join(root, 'values', `${region}.yaml`)
const names = Object.keys(regions) as RegionName[]

/** A region's objects as Argo CD renders them: the region's file, and the Application's own values over it. */
const rendered = (region: RegionName): Promise<KubernetesObject[]> =>
  render('helm4', { files: [regionFile(region)], values: waves })
const wave = ({ metadata }: KubernetesObject): number =>
  Number(metadata.annotations?.['argocd.argoproj.io/sync-wave'] ?? 0)

test("the objects are valid by Argo CD's definitions", async () => {
  expect(await invalidObjects('argocd', [project, application, set], '1.36.3')).toEqual([])
})

test('there is one element a region, each with a values file', () => {
  const { generators } = set['spec'] as {
    generators: { list: { elements: { region: string; cluster: string }[] } }[]
  }
  const elements = generators.flatMap(({ list }) => list.elements)
  expect(elements).toEqual(names.map((region) => ({ region, cluster: `opencode-${region}` })))
  const [file = ''] = template.source.helm.valueFiles
  for (const { region } of elements)
    expect(existsSync(join(chart, file.replace('{{ .region }}', region))), region).toBe(true)
  expect(
    existsSync(join(chart, (application['spec'] as Spec).source.helm.valueFiles[0] ?? '')),
  ).toBe(true)
})

test('the region that brings the schema is synced first, and every other one after it', () => {
  const { steps } = (
    set['spec'] as {
      strategy: {
        rollingSync: { steps: { matchExpressions: { operator: string; values: string[] }[] }[] }
      }
    }
  ).strategy.rollingSync
  expect(steps.map(({ matchExpressions: [one] }) => [one?.operator, one?.values])).toEqual([
    ['In', [defaultRegion]],
    ['NotIn', [defaultRegion]],
  ])
})

test('the values of the Application are values of the chart', () => {
  const validate = new Ajv({ strict: false, allErrors: true }).compile(
    JSON.parse(readFileSync(join(root, 'schemas/overlay.schema.json'), 'utf8')) as object,
  )
  validate(template.source.helm.valuesObject)
  expect(validate.errors).toBeNull()
  expect(template.source.helm.valuesObject).toEqual(waves)
})

describe.each(names)('in %s', (region) => {
  test('what runs the new version, and what scales it, waits for everything else', async () => {
    for (const object of await rendered(region)) {
      const late = ['Deployment', 'Rollout', 'ScaledObject', 'HorizontalPodAutoscaler'].includes(
        object.kind,
      )
      expect(wave(object), id(object)).toBe(late ? 1 : 0)
    }
  })

  test('no Job of a wave needs something of a later one', async () => {
    const first = (await rendered(region)).filter((object) => wave(object) === 0)
    expect(missingReferences(first).filter((line) => line.startsWith('job.'))).toEqual([])
  })

  test('the project allows every object', async () => {
    const { destinations, clusterResourceWhitelist } = project['spec'] as {
      destinations: { name?: string; namespace: string }[]
      clusterResourceWhitelist: { group: string; kind: string }[]
    }
    const namespaces = destinations
      .filter(({ name }) => name === `opencode-${region}`)
      .map(({ namespace }) => namespace)
    for (const { apiVersion, kind, metadata } of await rendered(region)) {
      if (metadata.namespace) expect(namespaces).toContain(metadata.namespace)
      else
        expect(clusterResourceWhitelist).toContainEqual({
          group: apiVersion.includes('/') ? apiVersion.split('/')[0] : '',
          kind,
        })
    }
  })

  test('what the Rollouts controller moves is ignored: every weight there is', async () => {
    const routes = (await rendered(region)).filter(({ kind }) => kind === 'HTTPRoute')
    const weights = routes.flatMap((route) => [...JSON.stringify(route).matchAll(/"weight":/g)])
    const covered = routes
      .flatMap(
        (route) => (route['spec'] as { rules: { backendRefs?: { weight?: number }[] }[] }).rules,
      )
      .flatMap(({ backendRefs = [] }) => backendRefs.filter(({ weight }) => weight !== undefined))
    expect(covered).toHaveLength(weights.length)
    expect(weights.length).toBeGreaterThan(0)
    expect(template.ignoreDifferences).toContainEqual({
      group: 'gateway.networking.k8s.io',
      kind: 'HTTPRoute',
      jqPathExpressions: ['.spec.rules[]?.backendRefs[]?.weight'],
    })
  })
})
