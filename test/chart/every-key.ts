import { join } from 'node:path'
import type { Overlay } from '../../schemas/index.ts'
import type { Leaf } from './lib/leaves.ts'
import { root } from './lib/paths.ts'

/** Values under which some of the schema's keys can have an effect. */
export interface Profile {
  readonly name: string
  /** Values file below {@link values}. */
  readonly file?: string
  readonly values: Overlay
  /** Keys that are tried with it, as far as no earlier profile has them. */
  readonly owns: RegExp
}

const hosts = {
  api: { host: 'api.example.com', streams: false },
  events: { host: 'events.example.com', streams: true },
}
const off = { enabled: false } as const

export const profiles: readonly Profile[] = [
  {
    name: 'external stores',
    values: {
      postgres: { mode: 'external' },
      redis: { mode: 'external' },
      pgbouncer: { enabled: true, host: 'db.example.com' },
      credentials: { postgres: { existingSecret: 'p' }, redis: { existingSecret: 'r' } },
    },
    owns: /^(postgres\.external|redis\.external|pgbouncer|credentials\.redis\.(existingSecret|workersExistingSecret))\b/,
  },
  {
    name: 'pods counted by hand',
    values: {
      api: { autoscaling: off },
      worker: { autoscaling: off },
      websocket: { autoscaling: off },
    },
    owns: /\.replicas$/,
  },
  {
    name: 'production',
    file: join(root, 'values', 'us.yaml'),
    values: {},
    owns: /^(redis\.cluster|postgres\.cnpg|gateway|keda|rollouts\.canary|credentials\.externalSecrets|credentials\.\w+\.remoteKeys)\b/,
  },
  {
    name: 'blue-green',
    values: { rollouts: { enabled: true } },
    owns: /^rollouts\b/,
  },
  {
    name: 'mesh',
    values: { istio: { enabled: true }, namespaces: { mesh: 'sidecar' }, hosts },
    owns: /^istio\b/,
  },
  {
    name: 'embedded',
    values: {
      ingress: { enabled: true },
      monitoring: { enabled: true, rules: { enabled: true }, dashboards: { enabled: true } },
      tracing: { endpoint: 'http://collector:4318' },
      api: { requestsPerSecond: { enabled: true } },
      hosts,
    },
    owns: /^/,
  },
]

/** What keys need beside them to have an effect: the first part of the path, and the part of a map's entry. */
const needs: readonly (readonly [RegExp, (component: string, entry: string) => object])[] = [
  [/^\w+\.service\.loadBalancer/, (one) => ({ [one]: { service: { type: 'LoadBalancer' } } })],
  [
    /^\w+\.extraVolumeMounts/,
    (one, volume) => ({ [one]: { extraVolumes: { [volume]: { emptyDir: {} } } } }),
  ],
  [
    /^worker\.engine\.extraVolumeMounts/,
    (_, volume) => ({ worker: { extraVolumes: { [volume]: { emptyDir: {} } } } }),
  ],
  [
    /^\w+\.(preStopSleep|drain)Seconds$/,
    (one) => ({ [one]: { terminationGracePeriodSeconds: 86400 } }),
  ],
  [/^\w+\.serviceAccount\.create$/, (one) => ({ [one]: { serviceAccount: { name: 'account' } } })],
  [/^namespaces\.main\.labels/, () => ({ namespaces: { main: { create: true } } })],
  [
    /^credentials\.llm\.existingSecret$/,
    () => ({
      llm: { providers: { own: { kind: 'openai', models: {}, apiKeySecretKey: 'key' } } },
      credentials: { llm: { existingSecret: 'models' } },
    }),
  ],
  [
    /^llm\.providers\.\*\.(api|apiKeySecretKey)$/,
    (_, provider) => ({
      llm: { providers: { [provider]: { kind: 'openai', models: {} } } },
      credentials: { llm: { existingSecret: 'models' } },
    }),
  ],
]

/** What a key needs beside it to have an effect. */
export function surroundings({ name, path }: Pick<Leaf, 'name' | 'path'>): object {
  const entry = path.find((_, index) => /^k\d+$/.test(path[index] ?? '')) ?? ''
  return needs.find(([pattern]) => pattern.test(name))?.[1](path[0] ?? '', entry) ?? {}
}

/** Keys of which any one other value is refused; what they do together with others is in the golden cases. */
export const refusals: Readonly<Record<string, RegExp>> = {
  'credentials.generate': /credentials\.generate is false, but credentials\.api names no other/,
  'gateway.enabled': /trafficRouting is "gateway", but gateway\.enabled is false/,
  'llm.model': /which no provider offers/,
  'llm.smallModel': /which no provider offers/,
  'postgres.cnpg.replica.self': /is not among postgres\.cnpg\.replica\.externalClusters/,
  'postgres.cnpg.replica.primary': /is not among postgres\.cnpg\.replica\.externalClusters/,
  'postgres.cnpg.replica.source': /is not among postgres\.cnpg\.replica\.externalClusters/,
}

/** Keys that change nothing that is rendered, and why. */
export const unseen: Readonly<Record<string, string>> = {
  enabled: "read by a parent chart's condition",
}
