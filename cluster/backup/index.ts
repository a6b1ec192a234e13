import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { $ } from 'zx'
import { buildImage, hashFiles, imageExists } from '../docker-image.ts'
import { linkOrCopy } from '../files.ts'
import { goModuleDir } from '../go-module.ts'
import { ensureDebianBase } from '../images/debian-base.ts'
import { publish, publishProgram } from '../images/publish.ts'
import { clusterEnv, kubectl } from '../kind-cluster.ts'
import { root, stateDir, tool } from '../paths.ts'
import { ensureTools, toolStamp, type Tool } from '../tools.ts'
import { shortTolerations } from '../two-pods.ts'
import { versions } from '../versions.ts'

const module = 'cluster/modules/backup'
const plugin: Tool = {
  name: 'plugin-barman-cloud',
  module,
  package: 'github.com/cloudnative-pg/plugin-barman-cloud/cmd/manager',
}
const gateway: Tool = {
  name: 'versitygw',
  module,
  package: 'github.com/versity/versitygw/cmd/versitygw',
}

/** Programs that backups need: the Barman Cloud plugin of CloudNativePG and an S3-compatible store. */
export const backupTools: readonly Tool[] = [gateway, plugin]

/** Where a release in a test cluster finds the store; the Secret is in the namespace that {@link ensureBackup} is given. */
export const backupStore = {
  endpointURL: 'http://s3.backup.svc:7070',
  bucket: 'opencode-backups',
  secret: 's3-credentials',
  keys: { accessKeyId: 'ACCESS_KEY_ID', secretAccessKey: 'SECRET_ACCESS_KEY' },
} as const

const refs = {
  plugin: `ghcr.io/cloudnative-pg/plugin-barman-cloud:v${versions.barmanPlugin}`,
  sidecar: `ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v${versions.barmanPlugin}`,
} as const

/** What {@link ensureBackup} is told. */
export interface BackupOptions {
  readonly cluster: string
  /** Registry to push to, as this machine reaches it. */
  readonly registry: string
  /** No container registry is in reach: the plugin's images are built here. */
  readonly offline: boolean
  /** Namespace of the release: it gets the Secret with the store's credentials. */
  readonly namespace: string
  readonly line: (text: string) => void
}

/**
 * Installs what backups of the production profile need: the Barman Cloud plugin beside the CloudNativePG operator, which
 * has to run already, and an S3-compatible store. Does nothing where the same versions were installed before.
 */
export async function ensureBackup(options: BackupOptions): Promise<void> {
  const { cluster, line } = options
  await ensureTools(options.offline ? backupTools : [gateway], line)
  if (options.offline) await publishPlugin(options)
  const store = await publishStore(options)
  const done = join(stateDir, cluster, 'backup')
  const wanted = hashFiles(
    [join(root, 'cluster', 'backup')],
    store + JSON.stringify([refs, shortTolerations]) + options.namespace,
  )
  const installed = existsSync(done) && readFileSync(done, 'utf8') === wanted
  // A release that was removed with its namespace took its copy of the credentials along.
  if (!installed || (await credentials(cluster, options.namespace)) === undefined) {
    line('installing the Barman Cloud plugin and a store for backups')
    await installStore(options, store)
    await installPlugin(cluster)
  }
  await kubectl(cluster, [
    'rollout',
    'status',
    'deployment/s3',
    '--namespace',
    'backup',
    '--timeout',
    '180s',
  ])
  await kubectl(cluster, [
    'rollout',
    'status',
    'deployment/barman-cloud',
    '--namespace',
    'cnpg-system',
    '--timeout',
    '180s',
  ])
  writeFileSync(done, wanted)
}

async function publishPlugin({ registry, line }: BackupOptions): Promise<void> {
  await publishProgram(plugin, { path: '/manager', user: 65_532 }, refs.plugin, line)
  const folder = join(root, 'cluster', 'images', 'barman-sidecar')
  const base = await ensureDebianBase(line)
  const sidecar = `opencode-test/barman-sidecar:${hashFiles([folder], toolStamp(plugin) + base)}`
  if (!(await imageExists(sidecar))) {
    line('image barman-sidecar')
    await withProgram(plugin, 'manager', (context) =>
      buildImage(sidecar, join(folder, 'Dockerfile'), context, [
        '--network',
        'host',
        '--build-arg',
        `BASE=${base}`,
      ]),
    )
  }
  await publish(sidecar, refs.sidecar, registry, line)
}

async function publishStore({ registry, line }: BackupOptions): Promise<string> {
  const base = await ensureDebianBase(line)
  const dockerfile = join(root, 'cluster', 'backup', 'Dockerfile')
  const built = `opencode-test/s3:${hashFiles([dockerfile], toolStamp(gateway) + base)}`
  if (!(await imageExists(built))) {
    await withProgram(gateway, 'versitygw', (context) =>
      buildImage(built, dockerfile, context, ['--build-arg', `BASE=${base}`]),
    )
  }
  await publish(built, `docker.io/${built}`, registry, line)
  return `docker.io/${built}`
}

async function withProgram(
  one: Tool,
  name: string,
  run: (context: string) => Promise<void>,
): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), 'backup-image-'))
  try {
    await linkOrCopy(tool(one.name), join(context, name))
    await run(context)
  } finally {
    rmSync(context, { recursive: true, force: true })
  }
}

async function apply(cluster: string, items: readonly object[]): Promise<void> {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '--filename', '-'], list)
}

async function installStore({ cluster, namespace }: BackupOptions, image: string): Promise<void> {
  await apply(
    cluster,
    ['backup', namespace].map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    })),
  )
  const data = (await credentials(cluster, 'backup')) ?? {
    ACCESS_KEY_ID: randomBytes(10).toString('hex'),
    SECRET_ACCESS_KEY: randomBytes(20).toString('hex'),
  }
  const secret = { apiVersion: 'v1', kind: 'Secret', stringData: data }
  await apply(
    cluster,
    ['backup', namespace].map((name) => ({
      ...secret,
      metadata: { name: backupStore.secret, namespace: name },
    })),
  )
  const manifest = readFileSync(join(root, 'cluster', 'backup', 'store.yaml'), 'utf8').replaceAll(
    '__IMAGE__',
    image,
  )
  await kubectl(
    cluster,
    ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
    manifest,
  )
}

/** The store's credentials in a namespace. Those of an earlier installation are kept: its data stays readable. */
async function credentials(
  cluster: string,
  namespace: string,
): Promise<Record<string, string> | undefined> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(cluster) })
  const found =
    await run`${tool('kubectl')} get secret ${backupStore.secret} --namespace ${namespace} --output json`
  if (found.exitCode !== 0) return undefined
  const { data } = JSON.parse(found.stdout) as { data: Record<string, string> }
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}

interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string }
  data?: Record<string, string>
  spec?: DeploymentSpec
}

/** The parts of a Deployment that {@link keepAnswering} changes. */
interface DeploymentSpec {
  replicas?: number
  strategy?: object
  template?: {
    spec: {
      containers: { args?: string[] }[]
      tolerations?: object[]
      topologySpreadConstraints?: object[]
    }
  }
}

/**
 * Two pods on two nodes that both serve, and leave a dead node in half a minute: while the plugin does not answer, the operator
 * reconciles nothing, not even a failover. Its leader election would keep the second one from serving; without it both give roles
 * the same rules.
 */
function keepAnswering(spec: DeploymentSpec): void {
  spec.replicas = 2
  spec.strategy = { type: 'RollingUpdate' }
  const pod = spec.template?.spec
  if (pod === undefined) return
  for (const container of pod.containers)
    if (container.args)
      container.args = container.args.filter((argument) => argument !== '--leader-elect')
  pod.tolerations = shortTolerations
  const labelSelector = { matchLabels: { app: 'barman-cloud' } }
  pod.topologySpreadConstraints = [
    {
      maxSkew: 1,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector,
    },
  ]
}

/**
 * The plugin's own manifest without cert-manager's objects, with the released images in the place of the moving ones that
 * the sources name, and with two pods that serve. The certificates that cert-manager would make are made by {@link installPlugin}.
 */
export function pluginManifest(text: string): string {
  const objects = parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject)
  const kept = objects.filter(({ apiVersion }) => !apiVersion.startsWith('cert-manager.io/'))
  for (const object of kept) {
    if (object.kind === 'Deployment' && object.spec) keepAnswering(object.spec)
    if (object.kind === 'Secret' && object.data?.['SIDECAR_IMAGE'] !== undefined) {
      object.data = { SIDECAR_IMAGE: Buffer.from(refs.sidecar).toString('base64') }
    }
  }
  return kept
    .map((object) => stringify(object))
    .join('---\n')
    .replace(/image: \S*plugin-barman-cloud-testing\S*/, `image: ${refs.plugin}`)
}

async function installPlugin(cluster: string): Promise<void> {
  for (const [name, secret] of [
    ['barman-cloud', 'barman-cloud-server-tls'],
    ['barman-cloud-client', 'barman-cloud-client-tls'],
  ] as const) {
    await ensureCertificate(cluster, name, secret)
  }
  const manifest = readFileSync(
    join(
      await goModuleDir('github.com/cloudnative-pg/plugin-barman-cloud', module),
      'manifest.yaml',
    ),
    'utf8',
  )
  await kubectl(
    cluster,
    ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
    pluginManifest(manifest),
  )
}

/** A self-signed certificate, as the plugin's cert-manager Issuer would make: operator and plugin know each other's. */
async function ensureCertificate(cluster: string, name: string, secret: string): Promise<void> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(cluster) })
  if ((await run`${tool('kubectl')} get secret ${secret} --namespace cnpg-system`).exitCode === 0)
    return
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  try {
    const [key, crt] = [join(folder, 'tls.key'), join(folder, 'tls.crt')]
    const kind = [
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-noenc',
      '-days',
      '3650',
    ]
    await $({
      quiet: true,
    })`openssl req ${kind} -subj ${`/CN=${name}`} -addext ${`subjectAltName=DNS:${name}`} -keyout ${key} -out ${crt}`
    await kubectl(cluster, [
      'create',
      'secret',
      'tls',
      secret,
      '--namespace',
      'cnpg-system',
      `--cert=${crt}`,
      `--key=${key}`,
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
