/** The fields of a RedisCluster of the OT redis-operator that its objects are made from. */
export interface RedisCluster {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly labels: Record<string, string>
  }
  readonly spec: {
    readonly clusterSize: number
    readonly podSecurityContext: object
    readonly kubernetesConfig: {
      readonly image: string
      readonly imagePullPolicy: string
      readonly resources: object
      readonly redisSecret: { readonly name: string; readonly key: string }
    }
    readonly redisLeader: Member
    readonly redisFollower: Member
    readonly redisExporter?: Exporter
    readonly storage: {
      readonly volumeClaimTemplate: Claim
      readonly nodeConfVolumeClaimTemplate: Claim
    }
  }
}

interface Member {
  readonly pdb: { readonly maxUnavailable: number }
  readonly redisConfig: {
    readonly additionalRedisConfig: string
    readonly maxMemoryPercentOfLimit?: number
  }
  readonly affinity?: object
  readonly tolerations?: readonly object[]
  readonly topologySpreadConstraints?: readonly object[]
}

interface Exporter {
  readonly enabled: boolean
  readonly image: string
  readonly imagePullPolicy: string
  readonly resources: object
}

interface Claim {
  readonly spec: object
}

/** The two kinds of members. */
export const roles = ['leader', 'follower'] as const
export type Role = (typeof roles)[number]

/** Names of the pods of one kind: a StatefulSet's pods are numbered. */
export function memberNames({ metadata, spec }: RedisCluster, role: Role): string[] {
  return Array.from({ length: spec.clusterSize }, (_, index) => `${metadata.name}-${role}-${index}`)
}

/**
 * What the operator makes of a RedisCluster: for leaders and followers a StatefulSet with a headless and a normal Service and
 * a disruption budget. Everything belongs to the RedisCluster and goes with it.
 */
export function memberObjects(cluster: RedisCluster, start: string): object[] {
  const { name, namespace, uid, labels } = cluster.metadata
  const owner = {
    apiVersion: 'redis.redis.opstreelabs.in/v1beta2',
    kind: 'RedisCluster',
    name,
    uid,
  }
  const metadata = (suffix: string): object => ({
    name: `${name}-${suffix}`,
    namespace,
    labels,
    ownerReferences: [owner],
  })
  const script = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata('start'),
    data: { 'start.sh': start },
  }
  return [
    script,
    ...roles.flatMap((role) => {
      const selector = { app: `${name}-${role}`, redis_setup_type: 'cluster', role }
      const ports = [{ name: 'redis', port: 6379 }]
      return [
        { apiVersion: 'v1', kind: 'Service', metadata: metadata(role), spec: { selector, ports } },
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: metadata(`${role}-headless`),
          // Members meet before they are ready.
          spec: {
            clusterIP: 'None',
            publishNotReadyAddresses: true,
            selector,
            ports: [...ports, { name: 'bus', port: 16379 }],
          },
        },
        {
          apiVersion: 'policy/v1',
          kind: 'PodDisruptionBudget',
          metadata: metadata(role),
          spec: {
            selector: { matchLabels: selector },
            maxUnavailable: membersOf(cluster, role).pdb.maxUnavailable,
          },
        },
        {
          apiVersion: 'apps/v1',
          kind: 'StatefulSet',
          metadata: metadata(role),
          spec: statefulSet(cluster, role, selector),
        },
      ]
    }),
  ]
}

function membersOf({ spec }: RedisCluster, role: Role): Member {
  return role === 'leader' ? spec.redisLeader : spec.redisFollower
}

function statefulSet(cluster: RedisCluster, role: Role, selector: Record<string, string>): object {
  const { metadata, spec } = cluster
  const { affinity, tolerations, topologySpreadConstraints, redisConfig } = membersOf(cluster, role)
  return {
    replicas: spec.clusterSize,
    serviceName: `${metadata.name}-${role}-headless`,
    podManagementPolicy: 'Parallel',
    selector: { matchLabels: selector },
    template: {
      metadata: { labels: { ...metadata.labels, ...selector } },
      spec: {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: {
          ...spec.podSecurityContext,
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        affinity,
        tolerations,
        topologySpreadConstraints,
        containers: [
          redis(cluster, redisConfig.maxMemoryPercentOfLimit ?? 0),
          ...exporter(cluster),
        ],
        volumes: [
          { name: 'start', configMap: { name: `${metadata.name}-start` } },
          { name: 'config', configMap: { name: redisConfig.additionalRedisConfig } },
          { name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        ],
      },
    },
    volumeClaimTemplates: [
      { metadata: { name: 'data' }, spec: spec.storage.volumeClaimTemplate.spec },
      { metadata: { name: 'node-conf' }, spec: spec.storage.nodeConfVolumeClaimTemplate.spec },
    ],
  }
}

const hardened = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

function password({ spec }: RedisCluster): object {
  return { name: 'REDIS_PASSWORD', valueFrom: { secretKeyRef: spec.kubernetesConfig.redisSecret } }
}

function exporter(cluster: RedisCluster): object[] {
  const { redisExporter } = cluster.spec
  if (redisExporter?.enabled !== true) return []
  const { image, imagePullPolicy, resources } = redisExporter
  return [
    {
      name: 'redis-exporter',
      image,
      imagePullPolicy,
      ports: [{ name: 'redis-exporter', containerPort: 9121 }],
      env: [{ name: 'REDIS_ADDR', value: 'redis://localhost:6379' }, password(cluster)],
      resources,
      securityContext: hardened,
    },
  ]
}

function redis(cluster: RedisCluster, memoryPercent: number): object {
  const { image, imagePullPolicy, resources } = cluster.spec.kubernetesConfig
  const { name, namespace } = cluster.metadata
  const peers = roles.flatMap((role) =>
    memberNames(cluster, role).map((pod) => `${pod}.${name}-${role}-headless.${namespace}.svc`),
  )
  const probe = {
    exec: {
      command: ['sh', '-c', 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG'],
    },
    timeoutSeconds: 5,
  }
  return {
    name: 'redis',
    image,
    imagePullPolicy,
    command: ['sh', '/opt/start/start.sh'],
    ports: [
      { name: 'redis', containerPort: 6379 },
      { name: 'bus', containerPort: 16379 },
    ],
    env: [
      password(cluster),
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'PEERS', value: peers.join(' ') },
      { name: 'MEMORY_LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
      { name: 'MEMORY_PERCENT', value: String(memoryPercent) },
    ],
    resources,
    // Each exec costs a tenth of a processor's second, and there are six members on a machine of two.
    startupProbe: { ...probe, periodSeconds: 2, failureThreshold: 150 },
    readinessProbe: { ...probe, periodSeconds: 10 },
    livenessProbe: { ...probe, periodSeconds: 30, failureThreshold: 2 },
    securityContext: hardened,
    volumeMounts: [
      { name: 'data', mountPath: '/data' },
      { name: 'node-conf', mountPath: '/node-conf' },
      { name: 'start', mountPath: '/opt/start', readOnly: true },
      { name: 'config', mountPath: '/etc/redis/external.conf.d', readOnly: true },
      { name: 'run', mountPath: '/run/redis' },
    ],
  }
}
