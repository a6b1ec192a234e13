import { pods, type Container, type OwnedPod } from './pods.ts'
import type { KubernetesObject } from './render.ts'

/** Secrets and ConfigMaps that are made by somebody else: a controller, the credentials Job, or a person who was told to by a value. */
const foreign = [
  /-ca$/,
  /-app$/,
  /^(opencode|oc)-(api|postgres|redis|llm|tickets)$/,
  /^(api|postgres|redis|redis-workers|tickets|ticket-public-key|database|database-ca|models|extra|pull|more|aws-creds|pgbouncer-tls)$/,
  /^opencode-postgres-/,
]

interface Spec {
  rules?: {
    backendRefs?: { name: string; port: number }[]
    http?: { paths: { backend: { service: { name: string; port: { name: string } } } }[] }
  }[]
  strategy?: Record<string, { [key: string]: unknown }>
  workloadRef?: { kind: string; name: string }
  scaleTargetRef?: { kind: string; name: string }
  triggers?: { authenticationRef?: { name: string } }[]
  ports?: { name: string; port: number; targetPort?: string | number }[]
  selector?: Record<string, string>
  podMetricsEndpoints?: { port: string }[]
}

/** Every reference among the objects that leads nowhere, in words. */
export function missingReferences(objects: KubernetesObject[]): string[] {
  const has = (kind: string, name: string): boolean =>
    objects.some((one) => one.kind === kind && one.metadata.name === name)
  const all = pods(objects)
  return [
    ...all.flatMap((owned) => podReferences(owned, has)),
    ...objects.flatMap((object) => objectReferences(object, objects, all, has)),
  ]
}

type Has = (kind: string, name: string) => boolean

function podReferences({ owner, pod, claims }: OwnedPod, has: Has): string[] {
  const missing: string[] = []
  const need = (kind: string, name: string): void => {
    const known = has(kind, name) || foreign.some((pattern) => pattern.test(name))
    if (!known) missing.push(`${owner}: ${kind} ${name}`)
  }
  if (pod.serviceAccountName && !has('ServiceAccount', pod.serviceAccountName))
    missing.push(`${owner}: ServiceAccount ${pod.serviceAccountName}`)
  for (const volume of pod.volumes ?? []) {
    if (volume.secret) need('Secret', volume.secret.secretName)
    if (volume.configMap) need('ConfigMap', volume.configMap.name)
  }
  const volumes = new Set([...(pod.volumes ?? []).map((one) => one.name), ...claims])
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    for (const mount of container.volumeMounts ?? [])
      if (!volumes.has(mount.name)) missing.push(`${owner}: volume ${mount.name}`)
    for (const { valueFrom } of container.env ?? []) {
      if (valueFrom?.['secretKeyRef']) need('Secret', valueFrom['secretKeyRef'].name)
      if (valueFrom?.['configMapKeyRef']) need('ConfigMap', valueFrom['configMapKeyRef'].name)
    }
    missing.push(
      ...probePorts(container)
        .filter((port) => !portNames(container).has(port))
        .map((port) => `${owner}: port ${port}`),
    )
  }
  return missing
}

function probePorts(container: Container): string[] {
  const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map(
    (name) => container[name] as { httpGet?: { port: string | number } } | undefined,
  )
  return probes.map((probe) => probe?.httpGet?.port).filter((port) => typeof port === 'string')
}

function portNames(container: Container): Set<string> {
  return new Set((container.ports ?? []).map((port) => port.name))
}

function objectReferences(
  object: KubernetesObject,
  objects: KubernetesObject[],
  all: OwnedPod[],
  has: Has,
): string[] {
  const spec = (object['spec'] ?? {}) as Spec
  const missing: string[] = []
  const service = (name: string): void => {
    if (!has('Service', name))
      missing.push(`${object.kind} ${object.metadata.name}: Service ${name}`)
  }
  if (object.kind === 'HTTPRoute' || object.kind === 'Ingress') {
    for (const rule of spec.rules ?? []) {
      for (const backend of rule.backendRefs ?? []) service(backend.name)
      for (const path of rule.http?.paths ?? []) service(path.backend.service.name)
    }
  }
  for (const host of destinationHosts(object)) service(host)
  for (const strategy of Object.values(object.kind === 'Rollout' ? (spec.strategy ?? {}) : {})) {
    for (const key of ['activeService', 'previewService', 'stableService', 'canaryService'])
      if (strategy[key]) service(String(strategy[key]))
    for (const [, name] of JSON.stringify(strategy).matchAll(/"templateName":"([^"]+)"/g)) {
      if (!has('AnalysisTemplate', name ?? ''))
        missing.push(`Rollout: AnalysisTemplate ${name ?? ''}`)
    }
  }
  for (const target of [spec.workloadRef, spec.scaleTargetRef])
    if (target && !has(target.kind, target.name))
      missing.push(`${object.kind}: ${target.kind} ${target.name}`)
  for (const { authenticationRef } of spec.triggers ?? []) {
    if (authenticationRef && !has('TriggerAuthentication', authenticationRef.name))
      missing.push(`ScaledObject: TriggerAuthentication ${authenticationRef.name}`)
  }
  if (object.kind === 'Service' && spec.selector && !spec.selector['opencode.io/api-version'])
    missing.push(...servicePorts(object, spec, all))
  void objects
  return missing
}

function destinationHosts(object: KubernetesObject): string[] {
  if (object.kind !== 'VirtualService' && object.kind !== 'DestinationRule') return []
  return [...JSON.stringify(object['spec']).matchAll(/"host":"([^".]+)\./g)].map(
    ([, name]) => name ?? '',
  )
}

function servicePorts(object: KubernetesObject, spec: Spec, all: OwnedPod[]): string[] {
  const chosen = all.filter((one) =>
    Object.entries(spec.selector ?? {}).every(([key, value]) => one.labels[key] === value),
  )
  if (chosen.length === 0) return [`Service ${object.metadata.name}: selects no pod`]
  const names = new Set(
    chosen.flatMap(({ pod }) => pod.containers.flatMap((container) => [...portNames(container)])),
  )
  return (spec.ports ?? []).flatMap(({ targetPort }) =>
    typeof targetPort === 'string' && !names.has(targetPort)
      ? [`Service ${object.metadata.name}: port ${targetPort}`]
      : [],
  )
}
