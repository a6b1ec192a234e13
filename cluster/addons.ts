import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { hashFiles } from './docker-image.ts'
import { goModuleDir } from './go-module.ts'
import { clusterEnv, kubectl } from './kind-cluster.ts'
import { root, stateDir, tool } from './paths.ts'
import { poll } from './poll.ts'
import { twoPods } from './two-pods.ts'
import { versions } from './versions.ts'

const gatewayManifest = join(root, 'cluster', 'gateway', 'gateway.yaml')

/** Version of the add-ons as one string: what has to change for them to be installed again. */
function addonsHash(): string {
  return hashFiles(
    [gatewayManifest, join(root, 'cluster', 'addons.ts')],
    versions.metricsServer + versions.envoyGateway + JSON.stringify(twoPods),
  )
}

/**
 * Installs metrics-server and Envoy Gateway with the cluster's Gateway, and waits until they work. Does nothing where the
 * same versions have been installed before.
 */
export async function ensureAddons(cluster: string, line: (text: string) => void): Promise<void> {
  const done = join(stateDir, cluster, 'addons')
  if (existsSync(done) && readFileSync(done, 'utf8') === addonsHash() && (await isReady(cluster)))
    return line('add-ons are there')
  line(`metrics-server ${versions.metricsServer}`)
  await installMetricsServer(cluster)
  line(`Envoy Gateway ${versions.envoyGateway}`)
  await installEnvoyGateway(cluster)
  await kubectl(cluster, [
    'apply',
    '--server-side',
    '--force-conflicts',
    '--filename',
    gatewayManifest,
  ])
  line('waiting for the gateway')
  await poll('the gateway', 180, () => isReady(cluster), 1000)
  writeFileSync(done, addonsHash())
}

async function helm(cluster: string, args: readonly string[]): Promise<void> {
  await $({ quiet: true, env: clusterEnv(cluster) })`${tool('helm4')} ${args}`
}

async function installMetricsServer(cluster: string): Promise<void> {
  const chart = join(
    await goModuleDir('sigs.k8s.io/metrics-server', 'cluster/modules/kubernetes'),
    'charts',
    'metrics-server',
  )
  // The kubelets' serving certificates are their own: nothing signs them in a test cluster.
  const values = [
    '--set',
    'args={--kubelet-insecure-tls}',
    '--set',
    `image.tag=v${versions.metricsServer}`,
  ]
  await helm(cluster, [
    'upgrade',
    '--install',
    'metrics-server',
    chart,
    '--namespace',
    'kube-system',
    ...values,
  ])
}

async function installEnvoyGateway(cluster: string): Promise<void> {
  const module = await goModuleDir('github.com/envoyproxy/gateway', 'cluster/modules/kubernetes')
  const folder = mkdtempSync(join(tmpdir(), 'gateway-helm-'))
  try {
    await cp(join(module, 'charts', 'gateway-helm'), folder, { recursive: true })
    await $({ quiet: true })`chmod -R u+w ${folder}`
    const values = readFileSync(join(folder, 'values.tmpl.yaml'), 'utf8')
    const image = `docker.io/envoyproxy/gateway:v${versions.envoyGateway}`
    writeFileSync(
      join(folder, 'values.yaml'),
      values.replace('${GatewayImage}', image).replace('${GatewayImagePullPolicy}', 'IfNotPresent'),
    )
    const namespace = ['--namespace', 'envoy-gateway-system', '--create-namespace']
    // The proxies learn from it where pods are: while it is away they go on sending requests to those of a lost node.
    const deployment = {
      replicas: 2,
      pod: twoPods,
      envoyGateway: { resources: { requests: { cpu: '20m', memory: '96Mi' } } },
    }
    await helm(cluster, [
      'upgrade',
      '--install',
      'envoy-gateway',
      folder,
      ...namespace,
      '--set-json',
      `deployment=${JSON.stringify(deployment)}`,
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Condition {
  readonly type: string
  readonly status: string
}

/** Whether the gateway has its data plane and the metrics API answers. */
async function isReady(cluster: string): Promise<boolean> {
  const result = $({ quiet: true, nothrow: true, env: clusterEnv(cluster) })
  const gateway =
    await result`${tool('kubectl')} get gateway opencode --namespace gateway --output json`
  if (gateway.exitCode !== 0) return false
  const { status } = JSON.parse(gateway.stdout) as { status?: { conditions?: Condition[] } }
  if (
    !(status?.conditions ?? []).some(
      ({ type, status: state }) => type === 'Programmed' && state === 'True',
    )
  )
    return false
  return (
    (await result`${tool('kubectl')} get --raw /apis/metrics.k8s.io/v1beta1/nodes`).exitCode === 0
  )
}
