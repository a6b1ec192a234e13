import type { Overlay } from '../../schemas/index.ts'
import type { ExternalCluster } from '../../schemas/postgres.ts'
import { defaultRegion, globalHosts, regions, type Region, type RegionName } from '../regions.ts'

/** Where a region's database listens for the other regions, inside the private network that joins them. */
function databaseHost(region: RegionName): string {
  return `postgres.${region}.opencode.internal`
}

/** One region's database as the others see it: streaming with client certificates, and its archive in the shared bucket. */
function externalCluster(region: RegionName): ExternalCluster {
  const secret = `opencode-postgres-${region}-replication`
  return {
    connectionParameters: {
      host: databaseHost(region),
      user: 'streaming_replica',
      dbname: 'postgres',
      sslmode: 'verify-full',
    },
    sslKey: { name: secret, key: 'tls.key' },
    sslCert: { name: secret, key: 'tls.crt' },
    sslRootCert: { name: `opencode-postgres-${region}-ca`, key: 'ca.crt' },
    backupServerName: region,
  }
}

/**
 * CloudNativePG in one region of the distributed topology: {@link defaultRegion} is written to, the others stream from it.
 * To promote another region, set `replica.primary` and `replica.promotionToken` together (docs/runbooks).
 */
function database(region: Region): NonNullable<Overlay['postgres']> {
  const primary = region.name === defaultRegion
  const [nearest = defaultRegion] = region.fallbacks
  return {
    mode: 'cnpg',
    // A region that follows writes to the primary's URL and reads from its own instances.
    external: {
      replicaUrlKeys: primary ? [] : ['database-replica-1-url'],
      caConfigMap: 'opencode-postgres-ca-bundle',
    },
    cnpg: {
      backup: {
        enabled: true,
        destinationPath: 's3://opencode-backups/postgres',
        serverName: region.name,
        credentials: {
          accessKeyId: { name: 'aws-creds', key: 'ACCESS_KEY_ID' },
          secretAccessKey: { name: 'aws-creds', key: 'SECRET_ACCESS_KEY' },
        },
      },
      podMonitor: true,
      replica: {
        enabled: true,
        self: region.name,
        primary: defaultRegion,
        source: primary ? nearest : defaultRegion,
        externalClusters: Object.fromEntries(
          Object.values(regions).map(({ name }) => [name, externalCluster(name)]),
        ),
      },
    },
  }
}

/** Every credential from the external secret store. Tokens are signed with the same keys everywhere, or a failover logs everybody out. */
function credentials(region: Region): NonNullable<Overlay['credentials']> {
  const shared = (property: string): { key: string; property: string } => ({
    key: 'opencode/shared',
    property,
  })
  const own = (property: string): { key: string; property: string } => ({
    key: `opencode/${region.name}`,
    property,
  })
  const urls = {
    'database-url': own('database-url'),
    'database-replica-1-url': own('database-replica-1-url'),
  }
  return {
    generate: false,
    externalSecrets: { kind: 'ClusterSecretStore', name: 'opencode', refreshInterval: '1h' },
    api: {
      remoteKeys: {
        'jwt-secret': shared('jwt-secret'),
        'jwt-secret-previous': shared('jwt-secret-previous'),
        'turn-token-secret': shared('turn-token-secret'),
        'edge-secret': shared('edge-secret'),
      },
    },
    tickets: {
      remoteKeys: {
        'private-key': own('ticket-private-key'),
        'public-key': own('ticket-public-key'),
      },
    },
    redis: { remoteKeys: { password: own('redis-password') } },
    llm: { remoteKeys: { 'anthropic-api-key': shared('anthropic-api-key') } },
    ...(region.name === defaultRegion ? {} : { postgres: { remoteKeys: urls } }),
  }
}

/** The production profile: operators for every store, autoscaling on load, secrets from outside, traces. */
export function production(region: Region): Overlay {
  return {
    region: region.name,
    postgres: database(region),
    redis: { mode: 'cluster' },
    sandbox: { pool: { replicas: 5 } },
    credentials: credentials(region),
    // A following region's database takes its schema from the primary.
    migration: { enabled: region.name === defaultRegion },
    llm: {
      providers: {
        demo: null,
        anthropic: {
          kind: 'anthropic',
          apiKeySecretKey: 'anthropic-api-key',
          models: {
            'claude-sonnet-4-5': { name: 'Claude Sonnet 4.5' },
            'claude-haiku-4-5': { name: 'Claude Haiku 4.5' },
          },
        },
      },
      model: 'anthropic/claude-sonnet-4-5',
      smallModel: 'anthropic/claude-haiku-4-5',
    },
    hosts: {
      api: { host: region.apiHost, streams: false },
      events: { host: region.eventsHost, streams: true },
      globalApi: { host: globalHosts.api, streams: false },
      globalEvents: { host: globalHosts.events, streams: true },
    },
    gateway: {
      enabled: true,
      annotations: { 'cert-manager.io/cluster-issuer': 'letsencrypt-prod' },
    },
    keda: { enabled: true },
    rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'gateway' } },
    monitoring: { enabled: true, rules: { enabled: true }, dashboards: { enabled: true } },
    tracing: { endpoint: 'http://otel-collector.observability.svc:4318' },
  }
}
