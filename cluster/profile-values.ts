import type { Overlay } from '../schemas/index.ts'
import { backupStore } from './backup/index.ts'
import type { Profile } from './options.ts'
import { storeImages } from './versions.ts'

/** What a profile changes on a local cluster, over `values/kind.yaml`. */
export function profileValues(profile: Profile): Overlay {
  return profile === 'production' ? production : {}
}

/** PostgreSQL by CloudNativePG as in production, three instances in three zones with synchronous replication, made small. */
const postgres: NonNullable<Overlay['postgres']> = {
  mode: 'cnpg',
  cnpg: {
    // Requests are also weights: what everything else waits for comes first where two cores are short.
    resources: { requests: { cpu: '500m', memory: '256Mi' }, limits: { memory: '512Mi' } },
    storage: { size: '1Gi', storageClass: 'standard' },
    parameters: {
      shared_buffers: '64MB',
      effective_cache_size: '192MB',
      maintenance_work_mem: '32MB',
      wal_buffers: '4MB',
      min_wal_size: '80MB',
      max_wal_size: '256MB',
    },
    pooler: {
      instances: 1,
      resources: { requests: { cpu: '100m', memory: '32Mi' }, limits: { memory: '128Mi' } },
    },
    podMonitor: true,
    backup: {
      enabled: true,
      destinationPath: `s3://${backupStore.bucket}/postgres`,
      endpointURL: backupStore.endpointURL,
      resources: { requests: { cpu: '200m', memory: '128Mi' }, limits: { memory: '512Mi' } },
      credentials: {
        accessKeyId: { name: backupStore.secret, key: backupStore.keys.accessKeyId },
        secretAccessKey: { name: backupStore.secret, key: backupStore.keys.secretAccessKey },
      },
    },
    // The version that is built here where no container registry is in reach; CloudNativePG's own default moves with it.
    extraSpec: { imageName: storeImages.cnpgPostgres },
  },
}

/** Three leaders with a follower each; who plays the operator here (`cluster/redis-cluster`) can configure the official image. */
const redis: NonNullable<Overlay['redis']> = {
  mode: 'cluster',
  cluster: {
    image: splitImage(storeImages.redis),
    resources: {
      requests: { cpu: '10m', memory: '32Mi' },
      limits: { cpu: '500m', memory: '128Mi' },
    },
    persistence: { size: '256Mi' },
    exporter: { resources: { requests: { cpu: '5m', memory: '16Mi' } } },
  },
}

/** Parts of a reference as values name them. */
function splitImage(ref: string): { registry: string; repository: string; tag: string } {
  const [, registry = '', repository = '', tag = ''] = /^([^/]+)\/(.+):([^:]+)$/.exec(ref) ?? []
  return { registry, repository, tag }
}

/**
 * Everything that runs in production, at sizes that two cores hold: the operators' stores, autoscaling by what a component
 * works through, canaries split by the gateway, metrics. Memory requests are what an idle pod has with room below the
 * autoscaler's 80 %.
 */
const production: Overlay = {
  postgres,
  redis,
  api: {
    replicas: 3,
    autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 8 },
    resources: {
      requests: { cpu: '100m', memory: '256Mi' },
      limits: { cpu: '1000m', memory: '512Mi' },
    },
  },
  worker: { replicas: 2, autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 4 } },
  websocket: {
    replicas: 2,
    autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 4 },
    // An idle handler takes 120 MiB: of 192 MiB that would hold three pods where two are enough (80 % of the request for each).
    resources: {
      requests: { cpu: '50m', memory: '256Mi' },
      limits: { cpu: '1000m', memory: '384Mi' },
    },
  },
  keda: { enabled: true },
  rollouts: {
    enabled: true,
    strategy: 'canary',
    canary: {
      trafficRouting: 'gateway',
      // Over before the analysis wants to see traffic: on a local cluster there may be none.
      steps: [
        { setWeight: 20 },
        { pause: { duration: '20s' } },
        { setWeight: 50 },
        { pause: { duration: '20s' } },
        { setWeight: 100 },
      ],
    },
  },
  monitoring: {
    enabled: true,
    interval: '10s',
    rules: { enabled: true },
    dashboards: { enabled: true },
  },
}
