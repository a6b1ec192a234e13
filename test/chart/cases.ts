import { join } from 'node:path'
import type { Overlay } from '../../schemas/index.ts'
import type { LlmProvider } from '../../schemas/llm.ts'
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
  /** Words of the refusal, where the values must be refused; several where one attempt must tell several mistakes. */
  readonly expectedError?: string | readonly string[]
}

const region = (name: string): string => join(root, 'values', `${name}.yaml`)
const feature = (name: string, values: Overlay): Case => ({ name, base: 'default', values })
const refused = (
  name: string,
  values: Overlay,
  expectedError: string | readonly string[],
): Case => ({ name, values, expectedError })
const secret = (existingSecret: string): { existingSecret: string } => ({ existingSecret })
const mesh = { mesh: 'sidecar' } as const
const store = { kind: 'ClusterSecretStore', name: 'vault', refreshInterval: '1h' } as const
const provider = (over: object): LlmProvider => ({
  kind: 'anthropic',
  models: { m: { name: 'M' } },
  ...over,
})
const replica = (place: {
  self: string
  primary: string
  source: string
  promotionToken?: string
}): Overlay => ({
  postgres: {
    mode: 'cnpg',
    cnpg: { replica: { enabled: true, ...place, externalClusters: { eu: {}, us: {} } } },
  },
})
const hosts = {
  api: { host: 'api.example.com', streams: false },
  events: { host: 'events.example.com', streams: true },
}

/** Every golden case and every refusal. A new one is one line. */
export const cases: readonly Case[] = [
  { name: 'default' },
  { name: 'us', files: [region('us')] },
  { name: 'eu', base: 'us', files: [region('eu')] },
  { name: 'apac', base: 'us', files: [region('apac')] },
  { name: 'kind', base: 'default', files: [region('kind')] },

  { name: 'openshift', base: 'default', files: [region('openshift')] },
  feature('cors', {
    api: { cors: { origins: { app: 'https://app.example.com', dev: 'http://localhost:3000' } } },
  }),
  feature('postgres-cnpg', { postgres: { mode: 'cnpg', cnpg: { podMonitor: true } } }),
  feature('postgres-cnpg-backup', {
    postgres: {
      mode: 'cnpg',
      cnpg: { backup: { enabled: true, destinationPath: 's3://bucket/path' } },
    },
  }),
  feature('postgres-cnpg-without-pooler', {
    postgres: { mode: 'cnpg', cnpg: { pooler: { enabled: false } } },
  }),
  feature('postgres-cnpg-following', {
    postgres: {
      mode: 'cnpg',
      cnpg: {
        replica: {
          enabled: true,
          self: 'eu',
          primary: 'us',
          source: 'us',
          externalClusters: {
            eu: {},
            us: {
              connectionParameters: {
                host: 'db.us.example.com',
                port: '6432',
                user: 'streaming_replica',
              },
            },
          },
        },
      },
    },
    credentials: { postgres: secret('database') },
    migration: { enabled: false },
  }),
  feature('postgres-external', {
    postgres: {
      mode: 'external',
      external: { replicaUrlKeys: ['replica-1', 'replica-2'], caConfigMap: 'database-ca' },
    },
    credentials: { postgres: secret('database') },
  }),
  feature('pgbouncer', {
    postgres: { mode: 'external' },
    credentials: { postgres: secret('database') },
    pgbouncer: {
      enabled: true,
      host: 'db.example.com',
      clientTlsSecret: 'pgbouncer-tls',
      serverTlsMode: 'require',
    },
  }),
  feature('redis-cluster', { redis: { mode: 'cluster' } }),
  {
    name: 'redis-cluster-scheduling',
    base: 'redis-cluster',
    values: {
      redis: {
        mode: 'cluster',
        cluster: {
          scheduling: {
            spread: { nodes: 'required' },
            topologySpreadConstraints: [
              { maxSkew: 2, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' },
            ],
            priorityClassName: 'important',
          },
        },
      },
    },
  },
  feature('redis-external', {
    redis: { mode: 'external' },
    credentials: { redis: { existingSecret: 'redis', workersExistingSecret: 'redis-workers' } },
  }),
  feature('without-persistence', {
    postgres: { embedded: { persistence: { enabled: false } } },
    redis: { embedded: { persistence: { enabled: false } } },
  }),

  feature('keda', { keda: { enabled: true } }),
  feature('keda-redis-cluster', { keda: { enabled: true }, redis: { mode: 'cluster' } }),
  feature('keda-redis-external', {
    keda: { enabled: true },
    redis: { mode: 'external' },
    credentials: { redis: secret('redis') },
  }),
  feature('autoscaling-off', {
    api: { autoscaling: { enabled: false } },
    worker: { autoscaling: { enabled: false } },
    websocket: { autoscaling: { enabled: false } },
  }),
  feature('requests-per-second', { api: { requestsPerSecond: { enabled: true } } }),
  feature('rollouts-blue-green', { rollouts: { enabled: true } }),
  feature('rollouts-canary', { rollouts: { enabled: true, strategy: 'canary' } }),
  feature('rollouts-canary-gateway', {
    rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'gateway' } },
    gateway: { enabled: true },
    hosts,
  }),
  feature('rollouts-canary-istio', {
    rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'istio' } },
    istio: { enabled: true },
    namespaces: mesh,
  }),
  feature('rollouts-keda', { rollouts: { enabled: true }, keda: { enabled: true } }),
  feature('rollouts-replicas', {
    rollouts: { enabled: true },
    api: { autoscaling: { enabled: false } },
  }),

  feature('istio', {
    istio: { enabled: true, gateways: { public: 'istio-ingress/public' } },
    namespaces: mesh,
    hosts,
  }),
  feature('istio-ambient', {
    istio: { enabled: true, v2: { enabled: false } },
    namespaces: { mesh: 'ambient', main: { create: true } },
  }),
  feature('ingress', { ingress: { enabled: true }, hosts }),
  feature('ingress-without-hosts', { ingress: { enabled: true } }),
  feature('gateway', { gateway: { enabled: true }, hosts }),
  feature('gateway-v2', { gateway: { enabled: true, v2: { enabled: true } }, hosts }),
  feature('gateway-shared', {
    gateway: { enabled: true, parent: { name: 'opencode', namespace: 'gateway' } },
  }),
  feature('monitoring', {
    monitoring: {
      enabled: true,
      labels: { release: 'prometheus' },
      rules: { enabled: true },
      dashboards: { enabled: true },
    },
  }),
  feature('tracing', { tracing: { endpoint: 'http://collector.observability.svc:4318' } }),

  feature('external-secrets', {
    credentials: {
      generate: false,
      externalSecrets: { kind: 'ClusterSecretStore', name: 'vault', refreshInterval: '1h' },
      api: { remoteKeys: { 'jwt-secret': { key: 'opencode/jwt' } } },
      postgres: { remoteKeys: { password: { key: 'opencode/postgres' } } },
      redis: { remoteKeys: { password: { key: 'opencode/redis' } } },
      tickets: {
        remoteKeys: {
          'private-key': { key: 'opencode/tickets', property: 'private' },
          'public-key': { key: 'opencode/tickets', property: 'public' },
        },
      },
    },
  }),
  feature('existing-secrets', {
    credentials: {
      generate: false,
      api: secret('api'),
      postgres: secret('postgres'),
      redis: secret('redis'),
      tickets: { ...secret('tickets'), existingConfigMap: 'ticket-public-key' },
    },
  }),
  feature('images', {
    global: { imageRegistry: 'mirror.example.com:5000', imagePullSecrets: ['pull'] },
    imagePullSecrets: ['more'],
    api: { image: { digest: `sha256:${'a'.repeat(64)}` } },
    worker: { image: { tag: '1.2.3' } },
  }),
  feature('images-of-operators', {
    global: { imageRegistry: 'mirror.example.com:5000' },
    postgres: {
      mode: 'cnpg',
      cnpg: {
        imageName: 'ghcr.io/cloudnative-pg/postgresql:17.6',
        pooler: { imageName: 'ghcr.io/cloudnative-pg/pgbouncer:1.24.1' },
      },
    },
    redis: { mode: 'cluster' },
  }),
  feature('image-credentials', {
    imageCredentials: { main: { registry: 'ghcr.io', username: 'user', password: 'secret' } },
    imagePullSecrets: [{ name: 'as-object' }, 'as-name'],
    postgres: { mode: 'cnpg' },
    redis: { mode: 'cluster' },
  }),
  feature('identity-provider', {
    api: { auth: { jwksUrl: 'https://login.example.com:8443/keys' } },
  }),
  feature('external-ports', {
    postgres: { mode: 'external', external: { ports: [25060, 25061] } },
    redis: { mode: 'external', external: { ports: [6380] } },
    credentials: { postgres: secret('database'), redis: secret('redis') },
    networkPolicy: {
      dns: { ports: [5353], to: [] },
      apiServer: { ports: [16443], to: [{ ipBlock: { cidr: '10.0.0.1/32' } }] },
    },
  }),
  feature('platform', {
    global: { storageClass: 'replicated' },
    api: {
      service: {
        type: 'LoadBalancer',
        ipFamilyPolicy: 'RequireDualStack',
        ipFamilies: ['IPv6', 'IPv4'],
        loadBalancerClass: 'example.com/internal',
        loadBalancerSourceRanges: ['10.0.0.0/8'],
      },
      podSecurityContext: { runAsUser: 4711, supplementalGroups: [5] },
      containerSecurityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      tmpSize: '2Gi',
      resources: { limits: { 'ephemeral-storage': '5Gi' } },
      scheduling: {
        nodeSelector: { 'kubernetes.io/arch': null },
        topologySpreadConstraints: [
          { maxSkew: 2, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' },
        ],
      },
    },
    sandbox: {
      extraVolumes: { tools: { persistentVolumeClaim: { claimName: 'tools', readOnly: true } } },
      extraVolumeMounts: { tools: { mountPath: '/opt/tools', readOnly: true } },
    },
    postgres: { embedded: { persistence: { existingClaim: 'database' } } },
    ingress: {
      enabled: true,
      className: 'traefik',
      annotations: null,
      streamsAnnotations: null,
    },
    hosts,
  }),
  feature('egress', {
    egress: {
      proxy: 'http://proxy.example.com:3128',
      noProxy: ['internal.example.com'],
      caConfigMap: 'company-ca',
    },
  }),
  feature('model-provider', {
    llm: {
      providers: { demo: null, anthropic: provider({ apiKeySecretKey: 'key' }) },
      model: 'anthropic/m',
      smallModel: 'anthropic/m',
    },
    credentials: { llm: secret('models') },
  }),
  feature('model-provider-of-openai', {
    llm: {
      providers: { demo: null, openai: provider({ kind: 'openai', apiKeySecretKey: 'key' }) },
      model: 'openai/m',
      smallModel: 'openai/m',
    },
    credentials: { llm: secret('models') },
  }),
  feature('model-described', {
    llm: {
      limits: { firstByteSeconds: 600, idleSeconds: 60, callsPerTurn: 4 },
      providers: {
        own: provider({
          kind: 'openai',
          baseURL: 'https://litellm.example.com/v1',
          models: {
            m: {
              name: 'M',
              limit: { context: 200000, output: 32000 },
              modalities: { input: ['text', 'image', 'pdf'] },
              reasoning: true,
              temperature: false,
              cost: { input: 1.25, output: 10, cacheRead: 0.125 },
              headers: { 'x-team': 'platform' },
              options: { reasoningEffort: 'high' },
            },
          },
        }),
      },
    },
  }),
  feature('model-providers-within-reach', {
    llm: {
      providers: {
        gateway: provider({ kind: 'openai', baseURL: 'http://litellm.models.svc:4000/v1' }),
        gpu: provider({ kind: 'openai', baseURL: 'http://10.0.0.1:8000/v1' }),
        azure: provider({
          kind: 'openai',
          api: 'responses',
          baseURL: 'https://company.openai.azure.com/openai/v1',
        }),
        odd: provider({ kind: 'openai', baseURL: 'https://models.example.com:8443/v1' }),
      },
    },
  }),
  {
    name: 'promoted',
    base: 'eu',
    files: [region('eu')],
    values: {
      postgres: { cnpg: { replica: { primary: 'eu', promotionToken: 'token' } } },
      migration: { enabled: true },
    },
  },
  feature('network-policy-off', { networkPolicy: { enabled: false } }),
  feature('network-policy-allowed', {
    networkPolicy: {
      clients: [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } },
      ],
      apiEgress: { models: { to: [{ ipBlock: { cidr: '10.1.2.3/32' } }], ports: [443] } },
    },
  }),
  feature('sandbox-pool', {
    sandbox: {
      pool: { replicas: 12 },
      idleSeconds: 120,
      maxAgeSeconds: 7200,
      maxAwake: 200,
      scheduling: {
        nodeSelector: { pool: 'tools' },
        tolerations: [{ key: 'tools', operator: 'Exists' }],
        runtimeClassName: 'gvisor',
        hostUsers: false,
        spread: { nodes: 'none', zones: 'DoNotSchedule' },
      },
      workspace: { sizeLimit: '20Gi' },
      forbiddenTargets: { registry: '10.0.0.9:5000' },
      podLabels: { team: 'tools', 'opencode.io/sandbox': 'mine' },
      extraEnv: { ENGINE_REHEARSAL: 'off' },
    },
    namespaces: { sandboxes: { name: 'tools', labels: { team: 'tools' } } },
  }),
  feature('worker-turns', {
    worker: { turnsPerPod: 5, autoscaling: { maxReplicas: 8 } },
    keda: { enabled: true },
  }),
  feature('extras', {
    api: {
      extraEnv: { PLAIN: 'yes', FROM_SECRET: { secretKeyRef: { name: 'extra', key: 'key' } } },
      extraVolumes: { cache: { emptyDir: {} } },
      extraVolumeMounts: { cache: { mountPath: '/cache' } },
    },
    commonLabels: { team: 'platform' },
    commonAnnotations: { 'example.com/owner': 'platform' },
    extraObjects: {
      config: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: '{{ .Release.Name }}-extra' },
        data: { key: 'value' },
      },
    },
  }),
  feature('labels-that-collide', {
    commonLabels: { team: 'all', 'app.kubernetes.io/part-of': 'platform' },
    commonAnnotations: { owner: 'all', 'prometheus.io/scrape': 'false' },
    api: {
      podLabels: { team: 'api' },
      podAnnotations: { owner: 'api-pods', 'checksum/config': 'mine' },
      annotations: { owner: 'api' },
      service: { annotations: { owner: 'api-service' } },
      serviceAccount: { annotations: { owner: 'api-account' } },
      autoscaling: { annotations: { owner: 'api-autoscaler' } },
      extraVolumes: { cache: { name: 'other', emptyDir: {} } },
      extraInitContainers: {
        first: {
          name: 'other',
          image: 'registry.example.com/first:1',
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: true,
          },
        },
      },
    },
    migration: { annotations: { owner: 'migration' } },
    namespaces: {
      ...mesh,
      workers: {
        labels: {
          team: 'workers',
          'istio-injection': 'disabled',
          'pod-security.kubernetes.io/warn': 'baseline',
        },
      },
    },
    monitoring: {
      enabled: true,
      labels: { team: 'monitoring' },
      rules: { enabled: true, alertLabels: { severity: 'page', team: 'alerts' } },
      dashboards: { enabled: true, labels: { team: 'dashboards' } },
    },
    ingress: {
      enabled: true,
      annotations: { owner: 'ingress', 'cert-manager.io/cluster-issuer': 'own' },
      streamsAnnotations: { owner: 'streams' },
    },
    hosts,
  }),
  feature('variables-replaced', {
    api: {
      extraEnv: {
        LOG_LEVEL: 'debug',
        POSTGRES_PASSWORD: { secretKeyRef: { name: 'opencode-postgres', key: 'password' } },
      },
    },
    websocket: { extraEnv: { JWT_ISSUER: 'own', OWN: 'yes' } },
    worker: { extraEnv: { NODE_ENV: 'test' } },
    sandbox: { extraEnv: { ENGINE_MEMORY_MAX_BYTES: '1000000000' } },
  }),
  feature('task-scheduling', {
    api: {
      scheduling: {
        nodeSelector: { pool: 'services' },
        tolerations: [{ key: 'services', operator: 'Exists' }],
        priorityClassName: 'important',
        affinity: { nodeAffinity: {} },
        runtimeClassName: 'gvisor',
      },
    },
    rollouts: { enabled: true },
  }),
  feature('without-websocket', { websocket: { enabled: false } }),
  feature('without-tests-and-migration', {
    tests: { enabled: false },
    migration: { enabled: false },
  }),
  feature('fullname', { fullnameOverride: 'oc' }),

  refused('unknown key', { api: { replica: 3 } as never }, 'replica'),
  refused('wrong type', { api: { replicas: 'three' as never } }, 'replicas'),
  refused('bad quantity', { sandbox: { workspace: { sizeLimit: '10 GB' } } }, 'sizeLimit'),
  refused(
    'short grace',
    { api: { terminationGracePeriodSeconds: 30 } },
    'api.terminationGracePeriodSeconds is 30',
  ),
  refused(
    'minimum above maximum',
    { worker: { autoscaling: { minReplicas: 30 } } },
    'worker.autoscaling.minReplicas is 30, above maxReplicas 20',
  ),
  refused(
    'workers among the secrets',
    { namespaces: { workers: { name: 'opencode' } } },
    'namespaces.workers.name is "opencode"',
  ),
  refused(
    'sandboxes among the secrets',
    { namespaces: { sandboxes: { name: 'opencode' } } },
    'namespaces.sandboxes.name is "opencode", the release\'s own namespace',
  ),
  refused(
    'sandboxes among the workers',
    { namespaces: { workers: { name: 'tools' }, sandboxes: { name: 'tools' } } },
    'namespaces.sandboxes.name is "tools", the workers\' namespace',
  ),
  refused(
    'a name where no name server is',
    { sandbox: { forbiddenTargets: { registry: 'registry.example.com:443' } } },
    'forbiddenTargets',
  ),
  refused(
    'private ticket key alone',
    { credentials: { tickets: secret('tickets') } },
    'sandboxes need the public key of it. Set credentials.tickets.existingConfigMap',
  ),
  refused(
    'public ticket key alone',
    { credentials: { tickets: { existingConfigMap: 'tickets' } } },
    'nothing says where its private key is. Set credentials.tickets.existingSecret',
  ),
  refused(
    'remote ticket keys without the public one',
    {
      credentials: {
        externalSecrets: store,
        tickets: { remoteKeys: { 'private-key': { key: 'k' } } },
      },
    },
    'credentials.tickets.remoteKeys lacks the key "public-key"',
  ),
  refused('an engine beside the worker', { worker: { engine: {} } as never }, 'engine'),
  refused(
    'external database without Secret',
    { postgres: { mode: 'external' } },
    'postgres.mode is "external", but nothing says where its Secret is',
  ),
  refused(
    'mirror without the images that CloudNativePG chooses',
    { global: { imageRegistry: 'mirror.example.com' }, postgres: { mode: 'cnpg' } },
    ['Set postgres.cnpg.imageName', 'Set postgres.cnpg.pooler.imageName'],
  ),
  refused(
    'pgbouncer beside cnpg',
    { postgres: { mode: 'cnpg' }, pgbouncer: { enabled: true, host: 'db' } },
    'Use postgres.cnpg.pooler.enabled',
  ),
  refused(
    'backup without cnpg',
    { postgres: { cnpg: { backup: { enabled: true } } } },
    'no backup would be taken',
  ),
  refused(
    'no source of credentials',
    { credentials: { generate: false } },
    'credentials.generate is false',
  ),
  refused(
    'small redis cluster',
    { redis: { mode: 'cluster', cluster: { clusterSize: 2 } } },
    'at least 3 leaders',
  ),
  refused(
    'model that nobody offers',
    { llm: { model: 'demo/other' } },
    'llm.model is "demo/other"',
  ),
  refused(
    'canary by a mesh that is off',
    { rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'istio' } } },
    'istio.enabled is false',
  ),
  refused(
    'canary by a gateway that is off',
    { rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'gateway' } } },
    'gateway.enabled is false',
  ),
  refused('strict mTLS without a mesh', { istio: { enabled: true } }, 'namespaces.mesh is "none"'),
  refused(
    'empty step of a canary',
    { rollouts: { enabled: true, strategy: 'canary', canary: { steps: [{}] } } },
    'rollouts.canary.steps[0] is empty',
  ),
  refused(
    'account without a name',
    { worker: { serviceAccount: { create: false } } },
    'worker.serviceAccount.create is false without a name',
  ),
  refused(
    'mount without a volume',
    {
      api: { extraVolumeMounts: { cache: { mountPath: '/cache' } } },
      sandbox: { extraVolumeMounts: { cache: { mountPath: '/cache' } } },
    },
    ['api.extraVolumeMounts.cache mounts a volume', 'sandbox.extraVolumeMounts.cache mounts'],
  ),
  refused(
    'variables, volumes and containers that the chart needs',
    {
      api: {
        extraEnv: { PORT: '1' },
        extraVolumes: { tmp: { emptyDir: {} } },
        extraInitContainers: { api: { image: 'registry.example.com/first:1' } },
      },
      worker: { extraEnv: { TURNS_PER_POD: '1' } },
      sandbox: {
        extraEnv: { WORKSPACE_ROOT: '/elsewhere' },
        extraVolumes: { shm: { emptyDir: {} } },
      },
    },
    [
      'api.extraEnv.PORT is a variable that Services',
      'worker.extraEnv.TURNS_PER_POD is a variable',
      'sandbox.extraEnv.WORKSPACE_ROOT is a variable',
      'sandbox.extraVolumes.shm has the name of a volume',
      'api.extraVolumes.tmp has the name of a volume',
      'api.extraInitContainers.api has the name of a container',
    ],
  ),
  refused(
    'labels that select pods',
    {
      commonLabels: { 'app.kubernetes.io/name': 'mine' },
      worker: { podLabels: { 'app.kubernetes.io/component': 'mine' } },
    },
    [
      'commonLabels has "app.kubernetes.io/name", by which',
      'worker.podLabels has "app.kubernetes.io/component"',
    ],
  ),
  refused(
    'names without room for what controllers append',
    { fullnameOverride: 'a'.repeat(53), redis: { mode: 'cluster' } },
    [
      'redis.mode "cluster" has room for 37. Set fullnameOverride to at most 37 characters',
      "migration's Job has room for 44",
    ],
  ),
  refused(
    'bounds that only a load balancer has',
    {
      api: { service: { loadBalancerSourceRanges: ['10.0.0.0/8'] } },
      websocket: { service: { type: 'NodePort', loadBalancerClass: 'internal' } },
    },
    [
      'api.service.loadBalancerSourceRanges is set, but api.service.type is "ClusterIP"',
      'websocket.service.loadBalancerClass is set, but websocket.service.type is "NodePort"',
    ],
  ),
  refused(
    'labels of namespaces that others make',
    {
      namespaces: {
        main: { labels: { team: 'a' } },
        workers: { create: false, labels: { team: 'a' } },
      },
    },
    [
      'namespaces.main.labels is set, but namespaces.main.create is false',
      'namespaces.workers.labels is set, but namespaces.workers.create is false',
    ],
  ),
  refused(
    'update that cannot move',
    { api: { rollingUpdate: { maxSurge: '0%', maxUnavailable: 0 } } },
    'no pod could ever be replaced',
  ),
  refused(
    'autoscaling without a target',
    {
      websocket: {
        autoscaling: {
          targetCPUUtilizationPercentage: null,
          targetMemoryUtilizationPercentage: null,
        },
      },
    },
    'websocket.autoscaling.enabled is true without any target',
  ),
  refused(
    'two sources of a credential',
    { credentials: { api: { existingSecret: 'api', remoteKeys: { 'jwt-secret': { key: 'k' } } } } },
    'has both existingSecret "api" and remoteKeys',
  ),
  refused(
    'remote keys without a store',
    { credentials: { api: { remoteKeys: { 'jwt-secret': { key: 'k' } } } } },
    'no store to read them from',
  ),
  refused(
    'remote keys without the one needed',
    { credentials: { externalSecrets: store, api: { remoteKeys: { other: { key: 'k' } } } } },
    'credentials.api.remoteKeys lacks the key "jwt-secret"',
  ),
  refused(
    'provider key without a Secret',
    { llm: { providers: { own: provider({ apiKeySecretKey: 'key' }) } } },
    'nothing says which Secret holds it',
  ),
  refused(
    'provider key that the store does not bring',
    {
      llm: { providers: { own: provider({ apiKeySecretKey: 'key' }) } },
      credentials: { externalSecrets: store, llm: { remoteKeys: { other: { key: 'k' } } } },
    },
    'credentials.llm.remoteKeys lacks the key "key" of llm.providers.own',
  ),
  refused(
    'choice of an API that the provider has not',
    { llm: { providers: { own: provider({ api: 'chat' }) } } },
    'llm.providers.own.api is "chat", but only providers of kind "openai" have a choice',
  ),
  refused(
    'pgbouncer beside the embedded database',
    { pgbouncer: { enabled: true, host: 'db' } },
    'which needs no pooler',
  ),
  refused(
    'pgbouncer that knows neither host nor authority',
    {
      postgres: { mode: 'external' },
      credentials: { postgres: secret('database') },
      pgbouncer: { enabled: true, serverTlsMode: 'verify-full' },
    },
    [
      'pgbouncer.enabled is true without pgbouncer.host',
      'pgbouncer.serverTlsMode is "verify-full" without a certificate authority',
    ],
  ),
  refused(
    'more standbys than instances',
    { postgres: { mode: 'cnpg', cnpg: { instances: 1 } } },
    'no transaction could commit. Set instances to 2',
  ),
  refused(
    'lease that lasts no longer than its holder tries to renew it',
    {
      postgres: {
        mode: 'cnpg',
        cnpg: { primaryLease: { leaseDurationSeconds: 4, retryPeriodSeconds: 4 } },
      },
    },
    [
      'renewDeadlineSeconds is 4 with leaseDurationSeconds 4: a primary must give up before another one may take its place. Set leaseDurationSeconds to 5',
      'retryPeriodSeconds is 4 with renewDeadlineSeconds 4',
    ],
  ),
  refused(
    'replica without cnpg',
    { postgres: { cnpg: { replica: { enabled: true } } } },
    'postgres.cnpg.replica.enabled is true, but postgres.mode is "embedded"',
  ),
  refused(
    'replica of nobody',
    replica({ self: 'eu', primary: 'us', source: 'mars' }),
    'postgres.cnpg.replica.source is "mars", which is not among postgres.cnpg.replica.externalClusters (eu, us)',
  ),
  refused(
    'replica of itself',
    replica({ self: 'eu', primary: 'us', source: 'eu' }),
    'a cluster cannot follow itself',
  ),
  refused(
    'token for another region',
    replica({ self: 'eu', primary: 'us', source: 'us', promotionToken: 'token' }),
    [
      'promotionToken is set, but primary is "us", not "eu"',
      'migration.enabled is true, but this region follows the database of "us"',
      'nothing says how to write to it',
    ],
  ),
  refused(
    'several mistakes at once',
    {
      api: { terminationGracePeriodSeconds: 1 },
      redis: { mode: 'external' },
      llm: { model: 'demo/other' },
      istio: { enabled: true },
    },
    [
      'redis.mode is "external"',
      'api.terminationGracePeriodSeconds is 1',
      'llm.model is "demo/other"',
      'namespaces.mesh is "none"',
    ],
  ),
]
