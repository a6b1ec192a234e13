import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Registry } from 'prom-client'
import { parse } from 'yaml'
import { createMetrics } from '../../../services/runtime/metrics.ts'
import { Metrics as WorkerMetrics } from '../../../services/worker/metrics.ts'
import { moduleFolder } from './kubernetes-schemas.ts'

/** Labels of each metric that somebody exports. */
export type KnownMetrics = ReadonlyMap<string, ReadonlySet<string>>

/** Labels that Prometheus adds to whatever it scrapes from a pod, and those that the chart's PodMonitors take over from it. */
export const targetLabels = [
  'namespace',
  'pod',
  'container',
  'job',
  'instance',
  'endpoint',
  'app_kubernetes_io_component',
  'rollouts_pod_template_hash',
]

/**
 * redis_exporter, with the labels that are asked for, from its `metricMapGauges`, `metricMapCounters`, `up` and `instance_info`
 * (https://github.com/oliver006/redis_exporter/blob/v1.48.0/exporter/exporter.go).
 */
const redisExporter: Readonly<Record<string, readonly string[]>> = {
  redis_up: [],
  redis_cluster_state: [],
  redis_memory_used_bytes: [],
  redis_memory_max_bytes: [],
  redis_connected_clients: [],
  redis_commands_processed_total: [],
  redis_instance_info: ['role'],
}

/** Every metric of the services and of the exporters that the chart turns on, from their sources. */
export async function knownMetrics(): Promise<KnownMetrics> {
  const known = new Map<string, ReadonlySet<string>>([['up', new Set()]])
  for (const registry of [createMetrics().registry, new WorkerMetrics().registry])
    addRegistry(known, registry)
  await addCloudNativePg(known)
  for (const [name, labels] of Object.entries(redisExporter)) known.set(name, new Set(labels))
  return known
}

interface Described {
  name: string
  type: string
  labelNames?: string[]
}

function addRegistry(known: Map<string, ReadonlySet<string>>, registry: Registry): void {
  for (const {
    name,
    type,
    labelNames = [],
  } of registry.getMetricsAsArray() as unknown as Described[]) {
    const before = known.get(name) ?? []
    known.set(name, new Set([...before, ...labelNames]))
    if (type !== 'histogram') continue
    for (const suffix of ['_bucket', '_sum', '_count'])
      known.set(
        name + suffix,
        new Set([...before, ...labelNames, ...(suffix === '_bucket' ? ['le'] : [])]),
      )
  }
}

interface Query {
  metrics: Record<string, { usage: string }>[]
}

async function addCloudNativePg(known: Map<string, ReadonlySet<string>>): Promise<void> {
  const module = await moduleFolder('github.com/cloudnative-pg/cloudnative-pg')
  const source = (...path: string[]): string => readFileSync(join(module, ...path), 'utf8')
  const { data } = parse(source('config', 'manager', 'default-monitoring.yaml')) as {
    data: { queries: string }
  }
  for (const [query, { metrics }] of Object.entries(parse(data.queries) as Record<string, Query>)) {
    const columns = metrics.flatMap((one) => Object.entries(one))
    const labels = new Set(
      columns.filter(([, { usage }]) => usage === 'LABEL').map(([name]) => name),
    )
    for (const [name, { usage }] of columns)
      if (usage !== 'LABEL') known.set(`cnpg_${query}_${name}`, labels)
  }
  addSource(
    known,
    'cnpg_collector_',
    source('pkg', 'management', 'postgres', 'webserver', 'metricserver', 'pg_collector.go'),
  )
  addSource(
    known,
    'cnpg_pgbouncer_pools_',
    source('pkg', 'management', 'pgbouncer', 'metricsserver', 'pools.go'),
  )
  const plugin = await moduleFolder('github.com/cloudnative-pg/plugin-barman-cloud')
  const barman = readFileSync(join(plugin, 'internal', 'cnpgi', 'instance', 'metrics.go'), 'utf8')
  for (const [, name = ''] of barman.matchAll(/buildFqName\("(\w+)"\)/g))
    known.set(`barman_cloud_cloudnative_pg_io_${name}`, new Set())
}

/** Metrics as client_golang's options name them, and every label that the file knows. */
function addSource(known: Map<string, ReadonlySet<string>>, prefix: string, source: string): void {
  const labels = new Set([...source.matchAll(/"(\w+)"/g)].map(([, word = '']) => word))
  for (const [, name = ''] of source.matchAll(/\bName:\s+"(\w+)"/g))
    known.set(prefix + name, labels)
}
