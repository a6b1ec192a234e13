import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cases } from './cases.ts'
import { incompleteLists } from './lib/crd-defaults.ts'
import { missingReferences } from './lib/references.ts'
import { chart } from './lib/paths.ts'
import { bytes, pods, type PodSpec } from './lib/pods.ts'
import { id, render, type KubernetesObject } from './lib/render.ts'

type Any = Record<string, never>
const spec = (object: KubernetesObject): Any => (object['spec'] ?? {}) as Any
const good = cases.filter((one) => !one.expectedError)

describe.each(good.map((one) => [one.name, one] as const))('%s', (_, one) => {
  test('every reference resolves', async () => {
    expect(missingReferences(await render('helm4', one))).toEqual([])
  })

  test('pods pass Pod Security restricted, name a fixed image, request no more than their limit, and end in time', async () => {
    const problems = pods(await render('helm4', one)).flatMap(({ owner, pod }) =>
      podProblems(pod).map((problem) => `${owner}: ${problem}`),
    )
    expect(problems).toEqual([])
  })

  test('the scheduler counts local disk: requests, limits, and every temporary volume within them', async () => {
    const problems = pods(await render('helm4', one)).flatMap(({ owner, pod }) =>
      diskProblems(pod).map((problem) => `${owner}: ${problem}`),
    )
    expect(problems).toEqual([])
  })

  test('lists of custom resources carry every default, so that no tool sees a difference for ever', async () => {
    expect((await render('helm4', one)).flatMap(incompleteLists)).toEqual([])
  })

  test('no field that a controller owns', async () => {
    const objects = await render('helm4', one)
    const scaled = objects.filter((object) =>
      ['HorizontalPodAutoscaler', 'ScaledObject'].includes(object.kind),
    )
    const owned = scaled.map(
      (object) => spec(object)['scaleTargetRef'] as unknown as { kind: string; name: string },
    )
    const rollouts = objects
      .filter((object) => object.kind === 'Rollout')
      .map((object) => ({ kind: 'Deployment', name: object.metadata.name }))
    for (const { kind, name } of [...owned, ...rollouts]) {
      const target = objects.find((object) => object.kind === kind && object.metadata.name === name)
      expect(target, `${kind} ${name}`).toBeDefined()
      if (target) expect(spec(target), `${kind} ${name}`).not.toHaveProperty('replicas')
    }
    for (const object of objects) {
      expect(object, id(object)).not.toHaveProperty('status')
      expect(object.metadata, id(object)).not.toHaveProperty('creationTimestamp')
    }
  })

  test('ids are unique, and a budget never blocks a drain', async () => {
    const objects = await render('helm4', one)
    const ids = objects.map((object) => `${object.apiVersion} ${id(object)}`)
    expect(ids).toEqual([...new Set(ids)])
    for (const object of objects)
      if (object.kind === 'PodDisruptionBudget')
        expect(spec(object)).not.toHaveProperty('minAvailable')
  })
})

function podProblems(pod: PodSpec): string[] {
  const problems: string[] = []
  const security = pod.securityContext ?? {}
  if (security['runAsNonRoot'] !== true) problems.push('may run as root')
  if ((security['seccompProfile'] as { type?: string } | undefined)?.type !== 'RuntimeDefault')
    problems.push('has no seccomp profile')
  if (pod['hostNetwork'] ?? pod['hostPID'] ?? pod['hostIPC'])
    problems.push('shares a namespace of the host')
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    const own = container.securityContext ?? {}
    if (own['allowPrivilegeEscalation'] !== false)
      problems.push(`${container.name} may gain privileges`)
    if (own['readOnlyRootFilesystem'] !== true)
      problems.push(`${container.name} may write its root file system`)
    if (
      !/(:[^:/]+|@sha256:[0-9a-f]{64})$/.test(container.image) ||
      container.image.endsWith(':latest')
    )
      problems.push(`${container.name}: ${container.image}`)
    for (const [name, request] of Object.entries(container.resources?.requests ?? {})) {
      const limit = container.resources?.limits?.[name]
      if (limit !== undefined && bytes(request) > bytes(limit))
        problems.push(`${container.name} requests more ${name} than its limit`)
    }
    // Server-side apply would merge both into one entry with two sources, which the API server refuses.
    const names = (container.env ?? []).map(({ name }) => name)
    problems.push(
      ...names
        .filter((name, index) => names.indexOf(name) !== index)
        .map((name) => `${container.name} has ${name} twice`),
    )
    const drain = Number(container.env?.find((one) => one.name === 'DRAIN_SECONDS')?.value ?? 0)
    const sleep = container.lifecycle?.preStop?.sleep?.seconds ?? 0
    if (drain + sleep >= (pod.terminationGracePeriodSeconds ?? 30))
      problems.push(`${container.name} needs ${String(drain + sleep)} s to stop`)
  }
  return problems
}

function diskProblems(pod: PodSpec): string[] {
  const containers = [...(pod.initContainers ?? []), ...pod.containers]
  const chartOnes = containers.filter(({ resources }) => resources !== undefined)
  const limits = chartOnes.map(({ resources }) => resources?.limits?.['ephemeral-storage'] ?? 0)
  const sizes = (pod.volumes ?? []).flatMap(({ name, emptyDir }) => {
    if (emptyDir === undefined || emptyDir.medium === 'Memory') return []
    return [{ name, size: emptyDir.sizeLimit }]
  })
  const sum = (quantities: (string | number)[]): number =>
    quantities.reduce<number>((all, one) => all + bytes(one), 0)
  const volumes = sizes.flatMap(({ size }) => size ?? [])
  return [
    ...chartOnes
      .filter(({ resources }) => resources?.requests?.['ephemeral-storage'] === undefined)
      .map(({ name }) => `${name} requests no local disk`),
    ...(limits.includes(0) ? ['a container has no limit of local disk'] : []),
    ...(sum(limits) < sum(volumes) ? ['its volumes may be larger than its limits'] : []),
  ]
}

test("what cannot be changed survives a new version: selectors, claims, the operator's labels", async () => {
  const next = join(mkdtempSync(join(tmpdir(), 'opencode-next-')), 'chart')
  cpSync(chart, next, { recursive: true })
  const about = join(next, 'Chart.yaml')
  writeFileSync(
    about,
    readFileSync(about, 'utf8').replaceAll(/ersion: 0\.1\.0$/gm, 'ersion: 9.9.9'),
  )
  for (const one of good.filter(({ name }) => ['default', 'us', 'pgbouncer'].includes(name))) {
    const before = await render('helm4', one)
    const after = await render('helm4', { ...one, chart: next })
    expect(JSON.stringify(after)).toContain('9.9.9')
    expect(immutable(after)).toEqual(immutable(before))
  }
})

/** What the API server, or an operator's StatefulSet, refuses to change. */
function immutable(objects: KubernetesObject[]): object[] {
  return objects
    .filter(({ kind }) => kind !== 'Job')
    .map((object) => ({
      id: id(object),
      selector: spec(object)['selector'],
      claims: spec(object)['volumeClaimTemplates'],
      serviceName: spec(object)['serviceName'],
      labels: object.kind === 'RedisCluster' ? object.metadata.labels : undefined,
    }))
}

test('the outside never reaches /internal', async () => {
  for (const name of ['gateway', 'gateway-shared', 'ingress', 'us', 'istio']) {
    const routes = (
      await render(
        'helm4',
        good.find((one) => one.name === name),
      )
    ).filter(({ kind }) => ['HTTPRoute', 'Ingress', 'VirtualService'].includes(kind))
    expect(routes.length).toBeGreaterThan(0)
    for (const route of routes) expect(JSON.stringify(route), name).toContain('/internal')
  }
})
