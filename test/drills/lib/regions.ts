import { $ } from 'zx'
import { bringUpCluster } from '../../../cluster/bring-up.ts'
import { kubeconfig, kubectl } from '../../../cluster/kind-cluster.ts'
import { parseUpOptions, type UpOptions } from '../../../cluster/options.ts'
import type { Progress } from '../../../cluster/progress.ts'
import { removeRelease } from '../../../cluster/release.ts'
import { installService, releaseOn } from '../../../cluster/service.ts'
import { localSecrets, startLocalEdge, type LocalEdge } from '../../../edge/tools/local.ts'
import { UserError } from '../../../scripts/lib/user-error.ts'
import type { Overlay } from '../../../schemas/index.ts'
import type { ExternalCluster } from '../../../schemas/postgres.ts'
import { cluster as database, namespace } from '../catalogue/names.ts'
import { follower, lost } from '../catalogue/region.ts'
import { drillValues, ensureDrillService, merge, settle } from './environment.ts'
import type { DrillContext } from './run-drill.ts'

/** Where drills run, until it is stopped. */
export interface Place {
  /** Makes everything ready for a run, once what the last one or the installation has begun is over. */
  ready(): Promise<DrillContext>
  stop(): Promise<void>
}

/** Port of every node under which the other region's database finds this one's primary. */
const nodePort = 30_432

/** The primary's address for other regions: what a private network between regions gives in production. */
const primaryService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `${database}-other-regions`, namespace },
  spec: {
    type: 'NodePort',
    selector: { 'cnpg.io/cluster': database, 'cnpg.io/instanceRole': 'primary' },
    ports: [{ port: 5432, nodePort }],
  },
}

/** Two regions of one run: where they reach each other, and what the run's archives are called, as none takes the log of two databases. */
interface Pair {
  readonly host: string
  readonly run: string
}

/** A region's folder in an object store. */
const archive = (region: string, { run }: Pair): string => `${region}-${run}`

/** A region's database as the other one sees it. */
function externalCluster(region: string, pair: Pair): ExternalCluster {
  const secret = `${database}-${region}-replication`
  return {
    connectionParameters: {
      host: pair.host,
      port: String(nodePort),
      user: 'streaming_replica',
      dbname: 'postgres',
      sslmode: 'verify-ca',
    },
    sslKey: { name: secret, key: 'tls.key' },
    sslCert: { name: secret, key: 'tls.crt' },
    sslRootCert: { name: `${database}-${region}-ca`, key: 'ca.crt' },
    backupServerName: archive(region, pair),
  }
}

/** A region's place in the distributed topology. */
function topology(self: string, other: string, pair: Pair): Overlay {
  const externalClusters = {
    [lost.region]: externalCluster(lost.region, pair),
    [follower.region]: externalCluster(follower.region, pair),
  }
  const replica = { enabled: true, self, primary: lost.region, source: other, externalClusters }
  return { postgres: { cnpg: { replica, backup: { serverName: archive(self, pair) } } } }
}

const one = { replicas: 1, autoscaling: { enabled: false } } as const

/** What two regions on one machine have: data stores and clients' way to them, once each. Everything else is measured elsewhere. */
const light: Overlay = {
  api: one,
  worker: one,
  websocket: { enabled: false },
  redis: { mode: 'embedded' },
  keda: { enabled: false },
  monitoring: { enabled: false },
  postgres: { cnpg: { pooler: { instances: 1 } } },
}

/** What {@link light} leaves idle. Not KEDA's API of metrics: no namespace is deleted while one of a cluster's APIs does not answer. */
const idle = [
  ['keda', 'deployment/keda-operator', 'deployment/keda-admission'],
  ['monitoring', 'deployment', '--all'],
  ['monitoring', 'statefulset', '--all'],
] as const

interface Secret {
  readonly data: Readonly<Record<string, string>>
  readonly type: string
}

async function secret(cluster: string, name: string): Promise<Secret> {
  return JSON.parse(
    await kubectl(cluster, ['get', 'secret', name, '--namespace', namespace, '--output', 'json']),
  ) as Secret
}

/** Gives the follower what it needs of the first region: certificates, signing keys, the primary's URL. */
async function shareSecrets(first: string, second: string, host: string): Promise<void> {
  const copy = async (from: string, to: string): Promise<object> => {
    const { data, type } = await secret(first, from)
    return { apiVersion: 'v1', kind: 'Secret', metadata: { name: to, namespace }, type, data }
  }
  const { data } = await secret(first, `${database}-app`)
  const password = Buffer.from(data['password'] ?? '', 'base64').toString()
  const url = `postgres://opencode:${password}@${host}:${nodePort}/opencode`
  const items = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    await copy(`${database}-replication`, `${database}-${lost.region}-replication`),
    await copy(`${database}-ca`, `${database}-${lost.region}-ca`),
    await copy('opencode-api', 'opencode-api'),
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `${database}-urls`, namespace },
      stringData: { 'database-url': url },
    },
  ]
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await kubectl(second, ['apply', '--server-side', '--force-conflicts', '--filename', '-'], list)
}

/** Installs the service in both regions, the second streaming from the first. What an earlier run has left is removed. */
async function installPair(
  first: UpOptions,
  second: UpOptions,
  progress: Progress,
  folder: string,
): Promise<DrillContext> {
  await progress.step('removing what is installed', async () => {
    for (const { name } of [second, first]) await removeRelease(releaseOn(name))
  })
  const format = '{{.NetworkSettings.Networks.kind.IPAddress}}'
  const host = (
    await $({ quiet: true })`docker inspect --format ${format} ${`${first.name}-control-plane`}`
  ).stdout.trim()
  const pair: Pair = { host, run: String(Date.now()) }
  const context = await ensureDrillService(
    first,
    progress,
    folder,
    merge(light, topology(lost.region, follower.region, pair)),
  )
  // Now, as the follower will be one standby more than an instance of this region waits for.
  await settle(context, progress)
  await kubectl(
    first.name,
    ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
    JSON.stringify(primaryService),
  )
  await shareSecrets(first.name, second.name, host)
  const following: Overlay = {
    migration: { enabled: false },
    credentials: { postgres: { existingSecret: `${database}-urls` } },
    postgres: { cnpg: { instances: 1, synchronous: { number: 0 } } },
  }
  // Again, as the store's credentials went with the namespace.
  const { offline } = await bringUpCluster(second, progress)
  for (const [where, ...what] of idle)
    await kubectl(second.name, ['scale', ...what, '--replicas=0', '--namespace', where])
  const values = [
    drillValues,
    light,
    topology(follower.region, lost.region, pair),
    following,
  ].reduce((base, over) => merge(base, over))
  await installService({ options: second, offline, values, seconds: 600 }, progress)
  return context
}

/** Two clusters and the edge before both, made anew for each run: a region that was promoted follows nobody any more. */
export async function ensureRegions(
  options: UpOptions,
  progress: Progress,
  folder: string,
): Promise<Place> {
  if (options.name !== lost.cluster)
    throw new UserError(
      `the region drill runs on cluster "${lost.cluster}" only, not "${options.name}": leave out --name.`,
    )
  const second = parseUpOptions([
    '--profile',
    'production',
    '--region',
    follower.region,
    '--name',
    follower.cluster,
    '--port',
    String(follower.port),
  ])
  for (const cluster of [options, second]) await bringUpCluster(cluster, progress)
  let edge: LocalEdge | undefined
  const stop = async (): Promise<void> => {
    await edge?.stop()
    edge = undefined
  }
  const ready = async (): Promise<DrillContext> => {
    await stop()
    const context = await installPair(options, second, progress, folder)
    const eu = `http://127.0.0.1:${second.port}`
    edge = await startLocalEdge({ origins: { us: context.target.url, eu, apac: eu } })
    const env = {
      KUBECONFIG: `${kubeconfig(options.name)}:${kubeconfig(second.name)}`,
      EDGE: edge.url,
      OPERATOR_TOKEN: localSecrets.OPERATOR_TOKEN,
    }
    return { ...context, target: { ...context.target, url: edge.url }, env }
  }
  return { ready, stop }
}
