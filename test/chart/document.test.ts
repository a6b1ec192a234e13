import { describe, expect, test } from 'vitest'
import { engineConfig } from '../../services/runtime/engine-config.ts'
import { parseLlmConfig, type LlmConfig } from '../../services/runtime/llm-config.ts'
import { cases } from './cases.ts'
import { bytes, pods, type PodSpec } from './lib/pods.ts'
import { render, type KubernetesObject } from './lib/render.ts'

/** The numbers of the design document's manifests, as the production values render them. */
const find = async (name: string, kind: string, object: string): Promise<KubernetesObject> => {
  const all = await render(
    'helm4',
    cases.find((one) => one.name === name),
  )
  const [found, more] = all.filter((one) => one.kind === kind && one.metadata.name === object)
  if (!found || more)
    throw new Error(`the case ${name} has ${more ? 'several' : 'no'} ${kind} ${object}`)
  return found
}
const spec = async (name: string, kind: string, object: string): Promise<unknown> =>
  (await find(name, kind, object))['spec']
const podOf = async (name: string, kind: string, object: string): Promise<PodSpec> => {
  const [owned] = pods([await find(name, kind, object)])
  if (!owned) throw new Error(`${kind} ${object} has no pod`)
  return owned.pod
}

interface Policy {
  ingress: { ports: { port: number }[]; from?: unknown[] }[]
  egress: { ports: { port: number }[]; to?: unknown[] }[]
}

/** Secrets that a pod's variables come from. */
const secretsOf = (pod: PodSpec): string[] =>
  [...(pod.initContainers ?? []), ...pod.containers].flatMap(({ env = [] }) =>
    env.flatMap(({ valueFrom }) => valueFrom?.['secretKeyRef']?.name ?? []),
  )

/** The provider file of a namespace, as the services read it. */
const configOf = async (name: string, namespace: string): Promise<LlmConfig> => {
  const all = await render(
    'helm4',
    cases.find((one) => one.name === name),
  )
  const found = all.find(
    ({ kind, metadata }) =>
      kind === 'ConfigMap' && metadata.name === 'opencode-llm' && metadata.namespace === namespace,
  )
  const { 'llm.json': text = '' } = (found?.['data'] ?? {}) as Record<string, string>
  return parseLlmConfig(JSON.parse(text))
}

const behavior = {
  scaleDown: {
    stabilizationWindowSeconds: 300,
    policies: [{ type: 'Percent', value: 10, periodSeconds: 60 }],
  },
  scaleUp: {
    stabilizationWindowSeconds: 60,
    policies: [
      { type: 'Percent', value: 100, periodSeconds: 15 },
      { type: 'Pods', value: 4, periodSeconds: 15 },
    ],
    selectPolicy: 'Max',
  },
}

test('namespaces join the mesh by their label', async () => {
  expect((await find('istio', 'Namespace', 'opencode-workers')).metadata.labels).toMatchObject({
    'istio-injection': 'enabled',
  })
  expect((await find('istio-ambient', 'Namespace', 'opencode')).metadata.labels).toMatchObject({
    'istio.io/dataplane-mode': 'ambient',
  })
})

describe('API', () => {
  test('Deployment', async () => {
    const deployment = await spec('us', 'Deployment', 'opencode-api')
    expect(deployment).toMatchObject({
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    })
    const pod = await podOf('us', 'Deployment', 'opencode-api')
    expect(pod).toMatchObject({
      serviceAccountName: 'opencode-api',
      terminationGracePeriodSeconds: 60,
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 100, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname' } },
          ],
        },
      },
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'topology.kubernetes.io/zone',
          whenUnsatisfiable: 'ScheduleAnyway',
        },
      ],
    })
    expect(pod.containers[0]).toMatchObject({
      ports: [
        { name: 'http', containerPort: 3000 },
        { name: 'metrics', containerPort: 9090 },
      ],
      resources: {
        requests: { memory: '512Mi', cpu: '500m' },
        limits: { memory: '2Gi', cpu: '2000m' },
      },
      livenessProbe: {
        httpGet: { path: '/health/live' },
        initialDelaySeconds: 10,
        periodSeconds: 10,
        timeoutSeconds: 5,
        failureThreshold: 3,
      },
      readinessProbe: {
        httpGet: { path: '/health/ready' },
        initialDelaySeconds: 5,
        periodSeconds: 5,
        timeoutSeconds: 3,
        failureThreshold: 3,
      },
      lifecycle: { preStop: { sleep: { seconds: 10 } } },
    })
    expect(pod.containers[0]?.env).toContainEqual({ name: 'NODE_ENV', value: 'production' })
    expect(pod.containers[0]?.env?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['DATABASE_URL', 'REDIS_URL', 'JWT_SECRET', 'DATABASE_REPLICA_1_URL']),
    )
  })

  test('three pods without an autoscaler', async () => {
    expect(await spec('autoscaling-off', 'Deployment', 'opencode-api')).toMatchObject({
      replicas: 3,
    })
  })

  test('scrape annotations where no operator is told', async () => {
    const [owned] = pods([await find('default', 'Deployment', 'opencode-api')])
    expect(owned?.labels).toMatchObject({ 'app.kubernetes.io/component': 'api' })
    const template = (await spec('default', 'Deployment', 'opencode-api')) as {
      template: { metadata: { annotations: object } }
    }
    expect(template.template.metadata.annotations).toMatchObject({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': '9090',
    })
  })

  test('HorizontalPodAutoscaler', async () => {
    const resource = (name: string, averageUtilization: number): object => ({
      type: 'Resource',
      resource: { name, target: { type: 'Utilization', averageUtilization } },
    })
    expect(await spec('requests-per-second', 'HorizontalPodAutoscaler', 'opencode-api')).toEqual({
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'opencode-api' },
      minReplicas: 3,
      maxReplicas: 50,
      metrics: [
        resource('cpu', 70),
        resource('memory', 80),
        {
          type: 'Pods',
          pods: {
            metric: { name: 'http_requests_per_second' },
            target: { type: 'AverageValue', averageValue: '100' },
          },
        },
      ],
      behavior,
    })
  })

  test('Service', async () => {
    expect(await spec('us', 'Service', 'opencode-api')).toMatchObject({
      type: 'ClusterIP',
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    })
  })

  test('PodDisruptionBudget', async () => {
    expect(await spec('us', 'PodDisruptionBudget', 'opencode-api')).toMatchObject({
      maxUnavailable: 1,
    })
  })
})

describe('autoscaling by load, with a fallback', () => {
  test.each([
    ['opencode-api', 3, 50, 'Rollout', ['cpu', 'memory', 'prometheus']],
    ['opencode-worker', 2, 20, 'Deployment', ['redis-cluster', 'redis-cluster']],
    ['opencode-websocket', 2, 20, 'Deployment', ['cpu', 'memory', 'prometheus']],
  ])('%s %d–%d', async (name, minReplicaCount, maxReplicaCount, kind, triggers) => {
    const scaled = (await spec('us', 'ScaledObject', name)) as {
      triggers: { type: string; metadata: Record<string, string> }[]
    }
    expect(scaled).toMatchObject({
      scaleTargetRef: { kind, name },
      minReplicaCount,
      maxReplicaCount,
      fallback: {
        failureThreshold: 3,
        replicas: minReplicaCount,
        behavior: 'currentReplicasIfHigher',
      },
      advanced: { horizontalPodAutoscalerConfig: { behavior } },
    })
    expect(scaled.triggers.map(({ type }) => type)).toEqual(triggers)
    const [cpu, memory, load] = scaled.triggers
    if (triggers[0] === 'cpu')
      expect([
        cpu?.metadata['value'],
        memory?.metadata['value'],
        load?.metadata['ignoreNullValues'],
      ]).toEqual(['70', '80', 'false'])
    if (name === 'opencode-api') expect(load?.metadata['threshold']).toBe('100')
  })
})

describe('tool workers', () => {
  test("in a namespace of their own, without any secret but the queue's", async () => {
    const worker = await find('us', 'Deployment', 'opencode-worker')
    expect(worker.metadata.namespace).toBe('opencode-workers')
    const pod = await podOf('us', 'Deployment', 'opencode-worker')
    expect(pod).toMatchObject({
      serviceAccountName: 'opencode-worker',
      automountServiceAccountToken: false,
    })
    const containers = [...(pod.initContainers ?? []), ...pod.containers]
    expect(secretsOf(pod)).toEqual(['opencode-redis'])
    expect(pod.volumes?.some(({ secret }) => secret)).toBe(false)
    const hardened = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true }
    for (const container of containers) expect(container.securityContext).toMatchObject(hardened)
    expect(pod.containers[0]?.env).toContainEqual({ name: 'WORKER_TYPE', value: 'tool-execution' })
  })

  test('nothing gets out but to name servers, the API, sandboxes and Redis', async () => {
    const policy = (await spec('default', 'NetworkPolicy', 'opencode-worker')) as Policy
    expect(policy.egress.map(({ ports }) => ports.map(({ port }) => port))).toEqual([
      // OpenShift's name servers listen on 5353.
      [53, 53, 5353, 5353],
      [3000],
      [7070],
      [6379],
    ])
    expect(policy.egress[0]?.to, 'name servers are named, not the world').toBeDefined()
    expect(await spec('default', 'NetworkPolicy', 'opencode-worker-default-deny')).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    })
  })

  test('many turns at once: KEDA aims at as many open turns for each pod', async () => {
    const pod = await podOf('worker-turns', 'Deployment', 'opencode-worker')
    expect(pod.containers[0]?.env).toContainEqual({ name: 'TURNS_PER_POD', value: '5' })
    expect(await spec('worker-turns', 'ScaledObject', 'opencode-worker')).toMatchObject({
      maxReplicaCount: 8,
      advanced: { scalingModifiers: { formula: 'waiting + running', target: '5' } },
    })
  })
})

describe('sandboxes', () => {
  test('hold no secret and no account, know no name server, join no mesh', async () => {
    const sandbox = await find('us', 'Deployment', 'opencode-sandbox')
    expect(sandbox.metadata.namespace).toBe('opencode-sandboxes')
    const pod = await podOf('default', 'Deployment', 'opencode-sandbox')
    expect(pod).toMatchObject({
      serviceAccountName: 'opencode-sandbox',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['127.0.0.1'] },
    })
    expect(secretsOf(pod)).toEqual([])
    expect(pod.volumes?.some((volume) => 'secret' in volume || 'projected' in volume)).toBe(false)
    for (const name of ['default', 'istio', 'istio-ambient']) {
      expect((await find(name, 'Namespace', 'opencode-sandboxes')).metadata.labels).toMatchObject({
        'istio-injection': 'disabled',
        'istio.io/dataplane-mode': 'none',
      })
      const [owned] = pods([await find(name, 'Deployment', 'opencode-sandbox')])
      expect(owned?.labels, name).toMatchObject({
        'sidecar.istio.io/inject': 'false',
        'istio.io/dataplane-mode': 'none',
        'opencode.io/sandbox': 'unclaimed',
      })
    }
  })

  test("a worker's proxy does not stand between it and a sandbox", async () => {
    expect(await spec('istio', 'Deployment', 'opencode-worker')).toMatchObject({
      template: {
        metadata: { annotations: { 'traffic.sidecar.istio.io/excludeOutboundPorts': '7070' } },
      },
    })
  })

  test('what an engine is told of providers names no address, no header and no variable', async () => {
    for (const name of ['us', 'model-described', 'model-providers-within-reach']) {
      const told = await configOf(name, 'opencode-sandboxes')
      expect(JSON.stringify(told), name).not.toMatch(/https?:|"headers"|apiKeyEnv/)
      // Another configuration than the worker's would cost a new start of the engine at each claim.
      const configured = (config: LlmConfig): string =>
        JSON.stringify(engineConfig(config, null, 'http://relay'))
      expect(configured(told), name).toBe(configured(await configOf(name, 'opencode-workers')))
    }
  })

  test('a pod takes what the document gives to one that runs tools, disk too', async () => {
    const pod = await podOf('us', 'Deployment', 'opencode-sandbox')
    const containers = [...(pod.initContainers ?? []), ...pod.containers]
    const sum = (which: 'requests' | 'limits', name: string): number =>
      containers.reduce((all, one) => all + bytes(one.resources?.[which]?.[name] ?? 0), 0)
    expect([sum('requests', 'cpu'), sum('limits', 'cpu')]).toEqual([1, 4])
    expect([sum('requests', 'memory'), sum('limits', 'memory')]).toEqual([
      bytes('1Gi'),
      bytes('4Gi'),
    ])
    expect(pod.volumes).toEqual(
      expect.arrayContaining([
        { name: 'workspace', emptyDir: { sizeLimit: '10Gi' } },
        { name: 'tmp', emptyDir: { sizeLimit: '1Gi' } },
        { name: 'shm', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
      ]),
    )
  })

  test('a runtime class, a user namespace and nodes of their own by value', async () => {
    expect(await podOf('sandbox-pool', 'Deployment', 'opencode-sandbox')).toMatchObject({
      runtimeClassName: 'gvisor',
      hostUsers: false,
      nodeSelector: { pool: 'tools' },
    })
  })

  test('nothing gets out, and only workers get in', async () => {
    const nothing = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }
    for (const name of ['default', 'us', 'istio', 'istio-ambient', 'tracing']) {
      expect(await spec(name, 'NetworkPolicy', 'opencode-sandbox-default-deny'), name).toEqual(
        nothing,
      )
      const policy = (await spec(name, 'NetworkPolicy', 'opencode-sandbox')) as Policy
      expect(policy, name).toMatchObject({ policyTypes: ['Ingress', 'Egress'], egress: [] })
      expect(policy.ingress, name).toMatchObject([
        {
          ports: [{ port: 7070, protocol: 'TCP' }],
          from: [
            {
              namespaceSelector: {
                matchLabels: { 'kubernetes.io/metadata.name': 'opencode-workers' },
              },
              podSelector: { matchLabels: { 'app.kubernetes.io/component': 'worker' } },
            },
          ],
        },
      ])
      expect(policy.ingress[0]?.from, name).toHaveLength(1)
    }
  })

  test('a claim takes a pod out of the pool: by the label that the API looks for', async () => {
    const { selector, template } = (await spec(
      'sandbox-pool',
      'Deployment',
      'opencode-sandbox',
    )) as {
      selector: { matchLabels: Record<string, string> }
      template: { metadata: { labels: Record<string, string> } }
    }
    expect(template.metadata.labels).toMatchObject(selector.matchLabels)
    const env = (await podOf('sandbox-pool', 'Deployment', 'opencode-api')).containers[0]?.env ?? []
    const value = (name: string): string | undefined => env.find((one) => one.name === name)?.value
    const asked = (value('SANDBOX_SELECTOR') ?? '').split(',').map((term) => term.split('='))
    expect(Object.fromEntries(asked)).toEqual(selector.matchLabels)
    expect(selector.matchLabels).toHaveProperty(['opencode.io/sandbox'], 'unclaimed')
    expect(value('SANDBOX_NAMESPACE')).toBe('tools')
    expect(value('SANDBOX_OWNER')).toBe('opencode-sandbox')
    expect(
      ['IDLE_SECONDS', 'MAX_AGE_SECONDS', 'MAX_AWAKE'].map((name) => value(`SANDBOX_${name}`)),
    ).toEqual(['120', '7200', '200'])
  })

  test("the API's account looks after them and can make none", async () => {
    const { rules } = (await find('default', 'Role', 'opencode-sandbox')) as unknown as {
      rules: {
        apiGroups: string[]
        resources: string[]
        resourceNames?: string[]
        verbs: string[]
      }[]
    }
    expect(rules).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'patch', 'delete'] },
      {
        apiGroups: ['apps'],
        resources: ['deployments'],
        resourceNames: ['opencode-sandbox'],
        verbs: ['get'],
      },
    ])
    expect(await find('default', 'RoleBinding', 'opencode-sandbox')).toMatchObject({
      metadata: { namespace: 'opencode-sandboxes' },
      subjects: [{ kind: 'ServiceAccount', name: 'opencode-api', namespace: 'opencode' }],
    })
    // Its token is mounted where the API runs, and in nothing that a user adds to the pod.
    const pod = await podOf('labels-that-collide', 'Deployment', 'opencode-api')
    expect(pod).toMatchObject({ automountServiceAccountToken: false })
    const holders = [...(pod.initContainers ?? []), ...pod.containers].filter(
      ({ volumeMounts = [] }) => volumeMounts.some(({ name }) => name === 'account'),
    )
    expect(holders.map(({ name }) => name)).toEqual(['api'])
  })

  test("tickets: the private key is the API's, the public one is all that sandboxes get", async () => {
    const privateKey = (pod: PodSpec): unknown =>
      pod.containers[0]?.env?.find(({ name }) => name === 'SANDBOX_TICKET_PRIVATE_KEY')?.valueFrom
    const publicKey = (pod: PodSpec): unknown =>
      pod.containers[0]?.env?.find(({ name }) => name === 'TICKET_PUBLIC_KEY')?.valueFrom
    const sources: [string, string, object][] = [
      [
        'default',
        'opencode-tickets',
        { configMapKeyRef: { name: 'opencode-tickets', key: 'public-key' } },
      ],
      [
        'existing-secrets',
        'tickets',
        { configMapKeyRef: { name: 'ticket-public-key', key: 'public-key' } },
      ],
      [
        'external-secrets',
        'opencode-tickets',
        { secretKeyRef: { name: 'opencode-tickets', key: 'public-key' } },
      ],
    ]
    for (const [name, secret, source] of sources) {
      expect(privateKey(await podOf(name, 'Deployment', 'opencode-api')), name).toEqual({
        secretKeyRef: { name: secret, key: 'private-key' },
      })
      expect(publicKey(await podOf(name, 'Deployment', 'opencode-sandbox')), name).toEqual(source)
    }
    const remote = (
      await render(
        'helm4',
        cases.find(({ name }) => name === 'external-secrets'),
      )
    )
      .filter(
        ({ kind, metadata }) => kind === 'ExternalSecret' && metadata.name === 'opencode-tickets',
      )
      .map(({ metadata, ...rest }) => [
        metadata.namespace,
        (rest['spec'] as { data: { secretKey: string }[] }).data.map(({ secretKey }) => secretKey),
      ])
    expect(Object.fromEntries(remote)).toEqual({
      opencode: ['private-key'],
      'opencode-sandboxes': ['public-key'],
    })
  })
})

test("Ingress and the streams' Ingress", async () => {
  const api = await find('ingress', 'Ingress', 'opencode-api')
  expect(api.metadata.annotations).toMatchObject({
    // The document's 100m is more than an engine takes in one prompt (C8).
    'nginx.ingress.kubernetes.io/proxy-body-size': '32m',
    'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
    'nginx.ingress.kubernetes.io/proxy-send-timeout': '3600',
    'cert-manager.io/cluster-issuer': 'letsencrypt-prod',
  })
  expect(api['spec']).toMatchObject({
    ingressClassName: 'nginx',
    tls: [{ secretName: 'opencode-tls' }],
  })
  expect((await find('ingress', 'Ingress', 'opencode-events')).metadata.annotations).toMatchObject({
    'nginx.ingress.kubernetes.io/affinity': 'cookie',
    'nginx.ingress.kubernetes.io/session-cookie-name': 'opencode-route',
    'nginx.ingress.kubernetes.io/session-cookie-expires': '172800',
    'nginx.ingress.kubernetes.io/session-cookie-max-age': '172800',
    'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
  })
})

test('Gateway API: a stream has no time limit', async () => {
  const { rules } = (await spec('us', 'HTTPRoute', 'opencode-api')) as {
    rules: { matches: { path: { value: string } }[]; timeouts?: { request: string } }[]
  }
  const limits = Object.fromEntries(
    rules.map(({ matches, timeouts }) => [matches[0]?.path.value, timeouts?.request]),
  )
  expect(limits).toEqual({
    '/internal': undefined,
    '/ws': '0s',
    '/event': '0s',
    '/global/event': '0s',
    '/': '3600s',
  })
})

describe('PostgreSQL', () => {
  test('Cluster', async () => {
    expect(await spec('us', 'Cluster', 'opencode-postgres')).toMatchObject({
      instances: 3,
      primaryUpdateStrategy: 'unsupervised',
      postgresql: {
        parameters: {
          max_connections: '200',
          shared_buffers: '2GB',
          effective_cache_size: '6GB',
          maintenance_work_mem: '512MB',
          checkpoint_completion_target: '0.9',
          wal_buffers: '64MB',
          default_statistics_target: '100',
          random_page_cost: '1.1',
          effective_io_concurrency: '200',
          work_mem: '10MB',
          min_wal_size: '1GB',
          max_wal_size: '4GB',
        },
        synchronous: { method: 'any', number: 1, dataDurability: 'required', failoverQuorum: true },
      },
      storage: { size: '100Gi', storageClass: 'fast-ssd' },
      replica: { self: 'us', primary: 'us', source: 'eu' },
    })
    expect(await spec('eu', 'Cluster', 'opencode-postgres')).toMatchObject({
      replica: { self: 'eu', primary: 'us', source: 'us' },
    })
  })

  test('a region that follows another one may write to its primary, on the port where that listens', async () => {
    const policy = (await spec('postgres-cnpg-following', 'NetworkPolicy', 'opencode-api')) as {
      egress: object[]
    }
    expect(policy.egress).toContainEqual({ ports: [{ port: 6432, protocol: 'TCP' }] })
    const byDefault = (await spec('eu', 'NetworkPolicy', 'opencode-api')) as { egress: object[] }
    expect(byDefault.egress).toContainEqual({ ports: [{ port: 5432, protocol: 'TCP' }] })
  })

  test('archive and base backups for 30 days', async () => {
    const credentials = {
      accessKeyId: { name: 'aws-creds', key: 'ACCESS_KEY_ID' },
      secretAccessKey: { name: 'aws-creds', key: 'SECRET_ACCESS_KEY' },
    }
    expect(await spec('us', 'ObjectStore', 'opencode-postgres-backup')).toMatchObject({
      retentionPolicy: '30d',
      configuration: {
        destinationPath: 's3://opencode-backups/postgres',
        s3Credentials: credentials,
        wal: { compression: 'gzip' },
        data: { compression: 'gzip' },
      },
    })
    expect(await spec('us', 'ScheduledBackup', 'opencode-postgres-backup')).toMatchObject({
      schedule: '0 0 2 * * *',
      method: 'plugin',
    })
    expect(await spec('us', 'PodMonitor', 'opencode-postgres')).toMatchObject({
      podMetricsEndpoints: [{ port: 'metrics' }],
    })
  })

  test('Pooler, and PgBouncer before an external database', async () => {
    expect(await spec('us', 'Pooler', 'opencode-postgres-pooler')).toMatchObject({
      instances: 2,
      type: 'rw',
      pgbouncer: {
        poolMode: 'transaction',
        parameters: { max_client_conn: '1000', default_pool_size: '20', min_pool_size: '5' },
      },
    })
    expect(await spec('pgbouncer', 'Deployment', 'opencode-pgbouncer')).toMatchObject({
      replicas: 2,
    })
    const { data } = (await find('pgbouncer', 'ConfigMap', 'opencode-pgbouncer')) as unknown as {
      data: Record<string, string>
    }
    const lines = data['pgbouncer.ini']?.split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([
        'pool_mode = transaction',
        'max_client_conn = 1000',
        'default_pool_size = 20',
        'min_pool_size = 5',
        'auth_type = scram-sha-256',
        'server_tls_sslmode = require',
        'client_tls_sslmode = require',
      ]),
    )
  })
})

test('RedisCluster', async () => {
  expect(await find('us', 'RedisCluster', 'opencode-redis')).toMatchObject({
    apiVersion: 'redis.redis.opstreelabs.in/v1beta2',
    spec: {
      clusterSize: 3,
      clusterVersion: 'v7',
      persistenceEnabled: true,
      kubernetesConfig: {
        resources: {
          requests: { cpu: '500m', memory: '1Gi' },
          limits: { cpu: '1000m', memory: '2Gi' },
        },
        redisSecret: { name: 'opencode-redis', key: 'password' },
      },
      redisExporter: { enabled: true },
      storage: {
        volumeClaimTemplate: {
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Gi' } } },
        },
        nodeConfVolume: true,
      },
    },
  })
})

test('Istio', async () => {
  const { http } = (await spec('istio', 'VirtualService', 'opencode-api')) as {
    http: { name: string; timeout?: string; retries?: object; match?: object[]; route?: object[] }[]
  }
  const route = Object.fromEntries(http.map((one) => [one.name, one]))
  expect(route['v2']).toMatchObject({
    match: [{ headers: { 'x-api-version': { exact: 'v2' } } }],
    route: [{ destination: { host: 'opencode-api-v2.opencode.svc.cluster.local' } }],
  })
  expect(route['reads']).toMatchObject({
    timeout: '300s',
    retries: {
      attempts: 3,
      perTryTimeout: '10s',
      retryOn: '5xx,reset,connect-failure,refused-stream',
    },
  })
  expect(route['writes']).toMatchObject({
    retries: { attempts: 3, retryOn: 'connect-failure,refused-stream,reset-before-request' },
  })
  expect(route['streams']).not.toHaveProperty('timeout')
  expect(await spec('istio', 'DestinationRule', 'opencode-api')).toMatchObject({
    trafficPolicy: { outlierDetection: { consecutiveGatewayErrors: 5 } },
  })
  expect(await spec('istio', 'PeerAuthentication', 'opencode-api')).toMatchObject({
    mtls: { mode: 'STRICT' },
  })
  expect(await spec('istio', 'AuthorizationPolicy', 'opencode-worker')).toMatchObject({
    action: 'ALLOW',
  })
})

describe('Argo Rollouts', () => {
  test('blue-green', async () => {
    expect(await spec('rollouts-blue-green', 'Rollout', 'opencode-api')).toMatchObject({
      workloadRef: { kind: 'Deployment', name: 'opencode-api', scaleDown: 'onsuccess' },
      strategy: {
        blueGreen: {
          activeService: 'opencode-api',
          previewService: 'opencode-api-preview',
          autoPromotionEnabled: false,
          scaleDownDelaySeconds: 30,
          previewReplicaCount: 2,
          prePromotionAnalysis: {
            args: [{ name: 'service-name', value: 'opencode-api-preview' }, { name: 'pod-hash' }],
          },
        },
      },
    })
  })

  test('canary', async () => {
    const rollout = (await spec('us', 'Rollout', 'opencode-api')) as {
      strategy: { canary: { analysis: { templates: object[] } } }
    }
    expect(rollout).toMatchObject({
      strategy: {
        canary: {
          stableService: 'opencode-api',
          canaryService: 'opencode-api-canary',
          steps: [
            { setWeight: 5 },
            { pause: { duration: '5m' } },
            { setWeight: 20 },
            { pause: { duration: '10m' } },
            { setWeight: 50 },
            { pause: { duration: '10m' } },
            { setWeight: 100 },
          ],
          analysis: { startingStep: 1 },
        },
      },
    })
    expect(rollout.strategy.canary.analysis.templates).toContainEqual({
      templateName: 'opencode-api-success-rate',
    })
    expect(await spec('us', 'PodDisruptionBudget', 'opencode-api')).toMatchObject({
      selector: { matchLabels: { 'app.kubernetes.io/component': 'api' } },
    })
  })
})

test('tracing', async () => {
  const pod = await podOf('us', 'Deployment', 'opencode-api')
  expect(pod.containers[0]?.env).toEqual(
    expect.arrayContaining([
      {
        name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
        value: 'http://otel-collector.observability.svc:4318',
      },
      { name: 'OTEL_TRACES_SAMPLER_ARG', value: '0.1' },
    ]),
  )
})

test('every pod has a NetworkPolicy', async () => {
  for (const name of ['default', 'us', 'pgbouncer', 'rollouts-blue-green', 'kind']) {
    const objects = await render(
      'helm4',
      cases.find((one) => one.name === name),
    )
    const policies = objects
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .map(({ metadata, ...rest }) => ({
        metadata,
        spec: rest['spec'] as { podSelector: { matchLabels?: object } },
      }))
    for (const { owner, namespace, labels } of pods(objects)) {
      const own = policies.filter(
        ({ metadata, spec: { podSelector } }) =>
          metadata.namespace === namespace &&
          podSelector.matchLabels &&
          Object.entries(podSelector.matchLabels).every(([key, value]) => labels[key] === value),
      )
      expect(own.length, `${name}: ${owner}`).toBeGreaterThan(0)
    }
  }
})
