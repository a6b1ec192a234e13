import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { stringify } from 'yaml'
import { UserError } from '../scripts/lib/user-error.ts'
import type { Host } from './host.ts'
import { stateDir, tool } from './paths.ts'
import { poll } from './poll.ts'
import { mirrorConfig } from './registry.ts'
import { versions } from './versions.ts'

const quiet = $({ quiet: true })
const tolerant = $({ quiet: true, nothrow: true })

/** The zones of the three workers: a node is lost with `docker kill`, a zone with the nodes that carry its label. */
export const zones = ['a', 'b', 'c'] as const

/** NodePort of the gateway inside the cluster; the host's port leads to it. */
export const gatewayNodePort = 30080

// containerd 2.4 asks every container for its CPU time each second, for a figure that the kubelet takes from cAdvisor: with 100
// containers a fifth of two processors. https://github.com/containerd/containerd/blob/v2.4.2/internal/cri/server/stats_collector.go
const rareStatistics = '[plugins."io.containerd.cri.v1.runtime"]\n  stats_collect_period = "1m"\n'

/** What one cluster is made with. */
export interface ClusterOptions {
  /** Name of the kind cluster; its kubectl context is `kind-<name>`. */
  readonly name: string
  /** Region that its nodes are labelled with and its release serves. */
  readonly region: string
  /** Port of 127.0.0.1 that leads to the gateway. */
  readonly port: number
  /** Image of the nodes. */
  readonly nodeImage: string
  /** The node image was built here: kubeadm must name the CoreDNS in it. */
  readonly builtHere: boolean
}

/** Path of a cluster's kubeconfig: the clusters made here stay out of the user's own. */
export function kubeconfig(name: string): string {
  return join(stateDir, name, 'kubeconfig')
}

/** Environment for kubectl, helm and clients of one cluster. */
export function clusterEnv(name: string): NodeJS.ProcessEnv {
  return { ...process.env, KUBECONFIG: kubeconfig(name) }
}

/** Runs our own kubectl against one cluster and returns what it prints. */
export async function kubectl(name: string, args: readonly string[], input = ''): Promise<string> {
  const run = await $({ quiet: true, input, env: clusterEnv(name) })`${tool('kubectl')} ${args}`
  return run.stdout
}

/** kind's configuration: one control plane, three workers in three zones, the local registry as every registry's mirror. */
export function kindConfig(
  options: ClusterOptions,
  host: Pick<Host, 'restricted' | 'cgroupVersion'>,
): Record<string, unknown> {
  const cluster = { kind: 'ClusterConfiguration', dns: { imageTag: `v${versions.coredns}` } }
  const kubelet = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    failCgroupV1: false,
  }
  const patches = [
    ...(options.builtHere ? [cluster] : []),
    ...(host.cgroupVersion === 1 ? [kubelet] : []),
  ]
  const region = { 'topology.kubernetes.io/region': options.region }
  return {
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    kind: 'Cluster',
    name: options.name,
    ...(host.restricted ? { featureGates: { KubeletInUserNamespace: true } } : {}),
    kubeadmConfigPatches: patches.map((patch) => stringify(patch)),
    containerdConfigPatches: [
      '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n',
      rareStatistics,
    ],
    nodes: [
      {
        role: 'control-plane',
        labels: region,
        extraPortMappings: [
          { containerPort: gatewayNodePort, hostPort: options.port, listenAddress: '127.0.0.1' },
        ],
      },
      ...zones.map((zone) => ({
        role: 'worker',
        labels: { ...region, 'topology.kubernetes.io/zone': zone },
      })),
    ],
  }
}

/** Names of the clusters that kind knows. */
export async function listClusters(): Promise<string[]> {
  const result = await tolerant`${tool('kind')} get clusters`
  return result.exitCode === 0 ? result.stdout.split('\n').filter((name) => name !== '') : []
}

/** The containers of a cluster's nodes, with whether they run. */
export async function clusterNodes(name: string): Promise<{ node: string; running: boolean }[]> {
  const filter = `label=io.x-k8s.kind.cluster=${name}`
  const result = await quiet`docker ps --all --filter ${filter} --format ${'{{.Names}} {{.State}}'}`
  return result.stdout
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((text) => {
      const [node = '', state] = text.split(' ')
      return { node, running: state === 'running' }
    })
}

/**
 * Makes sure that the cluster is there and answers. Stopped nodes (the machine was restarted) are started again; a cluster
 * that was interrupted while it was made is removed and made anew.
 */
export async function ensureCluster(
  options: ClusterOptions,
  host: Host,
  line: (text: string) => void,
): Promise<void> {
  const { name } = options
  const complete = join(stateDir, name, 'created')
  mkdirSync(join(stateDir, name), { recursive: true })
  const nodes = await clusterNodes(name)
  if (nodes.length > 0 && existsSync(complete)) {
    for (const { node } of nodes.filter(({ running }) => !running)) {
      line(`starting node ${node} again`)
      await quiet`docker start ${node}`
    }
    if (await answers(name, 120)) return line(`cluster ${name} is there`)
    line(`cluster ${name} does not answer any more: making it anew`)
  }
  if (nodes.length > 0) await deleteCluster(name)
  await create(options, host, line)
  // kind itself waits for the control plane only.
  line('waiting for the workers')
  if (!(await answers(name, 120)))
    throw new Error(
      `the nodes of cluster ${name} are not ready: "docker exec <node> journalctl -u kubelet" says why`,
    )
  writeFileSync(complete, JSON.stringify(options))
}

async function answers(name: string, seconds: number): Promise<boolean> {
  await tolerant`${tool('kind')} export kubeconfig --name ${name} --kubeconfig ${kubeconfig(name)}`
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(name) })
  const ready = async (): Promise<boolean> => {
    const result = await run`${tool('kubectl')} get nodes --no-headers --request-timeout=5s`
    const nodes = result.stdout.trim().split('\n')
    if (
      result.exitCode !== 0 ||
      nodes.length !== zones.length + 1 ||
      !nodes.every((node) => / Ready /.test(node))
    )
      return false
    // A node is Ready before its kube-proxy is: a pod that starts in between finds no service.
    const wait = [
      'wait',
      'pods',
      '--all',
      '--for=condition=Ready',
      '--namespace=kube-system',
      '--timeout=20s',
    ]
    return (await run`${tool('kubectl')} ${wait}`).exitCode === 0
  }
  return poll('the cluster', seconds, ready, 1000).catch(() => false)
}

async function create(
  options: ClusterOptions,
  host: Host,
  line: (text: string) => void,
): Promise<void> {
  const { name } = options
  const config = join(stateDir, name, 'kind.yaml')
  writeFileSync(config, stringify(kindConfig(options, host)))
  line(`creating kind cluster ${name}: one control plane, three workers`)
  const run = $({ quiet: true, nothrow: true })
  const args = [
    '--config',
    config,
    '--image',
    options.nodeImage,
    '--kubeconfig',
    kubeconfig(name),
    '--wait',
    '120s',
  ]
  const child = run`${tool('kind')} create cluster ${args}`
  for await (const chunk of child.stderr) {
    for (const text of String(chunk).split('\n'))
      if (text.includes('✓')) line(text.replace(/.*✓/, '').trim())
  }
  const result = await child
  if (result.exitCode === 0) return
  const port = /port is already allocated|address already in use/.test(result.stderr)
  if (port)
    throw new UserError(
      `port ${options.port} of 127.0.0.1 is taken. Free it, or name another with --port.`,
    )
  throw new Error(`kind could not create the cluster:\n${result.stderr}`)
}

/** Tells containerd on every node to ask the local registry first. New nodes need it once; again does no harm. */
export async function configureMirrors(name: string): Promise<void> {
  const directory = '/etc/containerd/certs.d/_default'
  for (const { node } of await clusterNodes(name)) {
    await quiet`docker exec ${node} mkdir -p ${directory}`
    await $({
      quiet: true,
      input: mirrorConfig(),
    })`docker exec --interactive ${node} cp /dev/stdin ${`${directory}/hosts.toml`}`
  }
}

/** Removes a cluster, its nodes and their volumes. */
export async function deleteCluster(name: string): Promise<void> {
  const result =
    await tolerant`${tool('kind')} delete cluster --name ${name} --kubeconfig ${kubeconfig(name)}`
  if (result.exitCode !== 0)
    throw new Error(`kind could not delete the cluster ${name}:\n${result.stderr}`)
}
