import { join } from 'node:path'
import type { Overlay } from '../../schemas/index.ts'
import { root } from './lib/paths.ts'

/** One row: values, and what must come of them. */
export interface Case {
  /** Name, also that of the folder in test/golden. */
  readonly name: string
  /** Case from which only the differences are kept. */
  readonly base?: string
  /** Values files. */
  readonly files?: readonly string[]
  /** Values over the files. */
  readonly values?: Overlay
  /** Words of the refusal, where the values must be refused. */
  readonly expectedError?: string
}

const region = (name: string): string => join(root, 'values', `${name}.yaml`)
const feature = (name: string, values: Overlay): Case => ({ name, base: 'default', values })
const refused = (name: string, values: Overlay, expectedError: string): Case => ({ name, values, expectedError })
const secret = (existingSecret: string): { existingSecret: string } => ({ existingSecret })
const mesh = { mesh: 'sidecar' } as const
const hosts = { api: { host: 'api.example.com', streams: false }, events: { host: 'events.example.com', streams: true } }

/** Every golden case and every refusal. A new one is one line. */
export const cases: readonly Case[] = [
  { name: 'default' },
  { name: 'us', files: [region('us')] },
  { name: 'eu', base: 'us', files: [region('eu')] },
  { name: 'apac', base: 'us', files: [region('apac')] },
  { name: 'kind', base: 'default', files: [region('kind')] },

  feature('postgres-cnpg', { postgres: { mode: 'cnpg', cnpg: { podMonitor: true } } }),
  feature('postgres-cnpg-backup', { postgres: { mode: 'cnpg', cnpg: { backup: { enabled: true, destinationPath: 's3://bucket/path' } } } }),
  feature('postgres-cnpg-without-pooler', { postgres: { mode: 'cnpg', cnpg: { pooler: { enabled: false } } } }),
  feature('postgres-external', {
    postgres: { mode: 'external', external: { replicaUrlKeys: ['replica-1', 'replica-2'], caConfigMap: 'database-ca' } },
    credentials: { postgres: secret('database') },
  }),
  feature('pgbouncer', {
    postgres: { mode: 'external' }, credentials: { postgres: secret('database') },
    pgbouncer: { enabled: true, host: 'db.example.com', clientTlsSecret: 'pgbouncer-tls', serverTlsMode: 'require' },
  }),
  feature('redis-cluster', { redis: { mode: 'cluster' } }),
  feature('redis-external', { redis: { mode: 'external' }, credentials: { redis: { existingSecret: 'redis', workersExistingSecret: 'redis-workers' } } }),
  feature('without-persistence', { postgres: { embedded: { persistence: { enabled: false } } }, redis: { embedded: { persistence: { enabled: false } } } }),

  feature('keda', { keda: { enabled: true } }),
  feature('keda-redis-cluster', { keda: { enabled: true }, redis: { mode: 'cluster' } }),
  feature('keda-redis-external', { keda: { enabled: true }, redis: { mode: 'external' }, credentials: { redis: secret('redis') } }),
  feature('autoscaling-off', {
    api: { autoscaling: { enabled: false } }, worker: { autoscaling: { enabled: false } }, websocket: { autoscaling: { enabled: false } },
  }),
  feature('requests-per-second', { api: { requestsPerSecond: { enabled: true } } }),
  feature('rollouts-blue-green', { rollouts: { enabled: true } }),
  feature('rollouts-canary', { rollouts: { enabled: true, strategy: 'canary' } }),
  feature('rollouts-canary-gateway', {
    rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'gateway' } }, gateway: { enabled: true }, hosts,
  }),
  feature('rollouts-canary-istio', {
    rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'istio' } }, istio: { enabled: true }, namespaces: mesh,
  }),
  feature('rollouts-keda', { rollouts: { enabled: true }, keda: { enabled: true } }),
  feature('rollouts-replicas', { rollouts: { enabled: true }, api: { autoscaling: { enabled: false } } }),

  feature('istio', { istio: { enabled: true, gateways: { public: 'istio-ingress/public' } }, namespaces: mesh, hosts }),
  feature('istio-ambient', { istio: { enabled: true, v2: { enabled: false } }, namespaces: { mesh: 'ambient', main: { create: true } } }),
  feature('ingress', { ingress: { enabled: true }, hosts }),
  feature('ingress-without-hosts', { ingress: { enabled: true } }),
  feature('gateway', { gateway: { enabled: true }, hosts }),
  feature('gateway-shared', { gateway: { enabled: true, parent: { name: 'opencode', namespace: 'gateway' } } }),
  feature('monitoring', { monitoring: { enabled: true, labels: { release: 'prometheus' }, rules: { enabled: true }, dashboards: { enabled: true } } }),
  feature('tracing', { tracing: { endpoint: 'http://collector.observability.svc:4318' } }),

  feature('external-secrets', {
    credentials: {
      generate: false,
      externalSecrets: { kind: 'ClusterSecretStore', name: 'vault', refreshInterval: '1h' },
      api: { remoteKeys: { 'jwt-secret': { key: 'opencode/jwt' } } },
      postgres: { remoteKeys: { password: { key: 'opencode/postgres' } } },
      redis: { remoteKeys: { password: { key: 'opencode/redis' } } },
    },
  }),
  feature('existing-secrets', { credentials: { generate: false, api: secret('api'), postgres: secret('postgres'), redis: secret('redis') } }),
  feature('images', {
    global: { imageRegistry: 'mirror.example.com:5000', imagePullSecrets: ['pull'] }, imagePullSecrets: ['more'],
    api: { image: { digest: `sha256:${'a'.repeat(64)}` } }, worker: { image: { tag: '1.2.3' } },
  }),
  feature('network-policy-off', { networkPolicy: { enabled: false } }),
  feature('network-policy-allowed', {
    networkPolicy: {
      clients: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } }],
      workerEgress: { mirror: { to: [{ ipBlock: { cidr: '10.1.2.3/32' } }], ports: [443] } },
    },
  }),
  feature('worker-pool', {
    worker: {
      scheduling: {
        nodeSelector: { pool: 'tools' }, tolerations: [{ key: 'tools', operator: 'Exists' }], runtimeClassName: 'gvisor', hostUsers: false,
        spread: { nodes: 'required', zones: 'DoNotSchedule' },
      },
    },
  }),
  feature('extras', {
    api: {
      extraEnv: { PLAIN: 'yes', FROM_SECRET: { secretKeyRef: { name: 'extra', key: 'key' } } },
      extraVolumes: { cache: { emptyDir: {} } }, extraVolumeMounts: { cache: { mountPath: '/cache' } },
    },
    commonLabels: { team: 'platform' }, commonAnnotations: { 'example.com/owner': 'platform' },
    extraObjects: { config: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ .Release.Name }}-extra' }, data: { key: 'value' } } },
  }),
  feature('without-websocket', { websocket: { enabled: false } }),
  feature('without-tests-and-migration', { tests: { enabled: false }, migration: { enabled: false } }),
  feature('fullname', { fullnameOverride: 'oc' }),

  refused('unknown key', { api: { replica: 3 } as never }, 'replica'),
  refused('wrong type', { api: { replicas: 'three' as never } }, 'replicas'),
  refused('bad quantity', { worker: { workspaceSize: '10 GB' } }, 'workspaceSize'),
  refused('short grace', { api: { terminationGracePeriodSeconds: 30 } }, 'api.terminationGracePeriodSeconds is 30'),
  refused('minimum above maximum', { worker: { autoscaling: { minReplicas: 30 } } }, 'worker.autoscaling.minReplicas is 30, above maxReplicas 20'),
  refused('workers among the secrets', { namespaces: { workers: { name: 'opencode' } } }, 'namespaces.workers.name is "opencode"'),
  refused('external database without Secret', { postgres: { mode: 'external' } }, 'postgres.mode is "external", but nothing says where its Secret is'),
  refused('pgbouncer beside cnpg', { postgres: { mode: 'cnpg' }, pgbouncer: { enabled: true, host: 'db' } }, 'Use postgres.cnpg.pooler.enabled'),
  refused('backup without cnpg', { postgres: { cnpg: { backup: { enabled: true } } } }, 'no backup would be taken'),
  refused('no source of credentials', { credentials: { generate: false } }, 'credentials.generate is false'),
  refused('small redis cluster', { redis: { mode: 'cluster', cluster: { clusterSize: 2 } } }, 'at least 3 leaders'),
  refused('model that nobody offers', { llm: { model: 'demo/other' } }, 'llm.model is "demo/other"'),
  refused('canary by a mesh that is off', { rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'istio' } } }, 'istio.enabled is false'),
  refused('canary by a gateway that is off', { rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'gateway' } } }, 'gateway.enabled is false'),
  refused('strict mTLS without a mesh', { istio: { enabled: true } }, 'namespaces.mesh is "none"'),
  refused(
    'several mistakes at once', { api: { terminationGracePeriodSeconds: 1 }, redis: { mode: 'external' } },
    'redis.mode is "external"',
  ),
]
