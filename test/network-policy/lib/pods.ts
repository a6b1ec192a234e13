import { $ } from 'zx'
import { clusterEnv, kubectl } from '../../../cluster/kind-cluster.ts'
import { parseUpOptions } from '../../../cluster/options.ts'
import { tool } from '../../../cluster/paths.ts'
import { publicNodeBase } from '../../../cluster/versions.ts'
import { options as cluster } from '../../cluster/lib/environment.ts'

/** The cluster of the tests that need one: `NETWORK_POLICY_CLUSTER` names another. */
export const options = parseUpOptions([
  '--name',
  process.env['NETWORK_POLICY_CLUSTER'] ?? cluster.name,
  '--port',
  String(cluster.port),
])

/** The two namespaces, each with a label `team` of its own name. */
export const namespaces = ['policy-a', 'policy-b'] as const

/** Listens on three TCP ports and one UDP port and answers what it gets. */
const server = `
  for (const port of [8080, 8081, 8090]) require('node:http').createServer((_request, response) => response.end('ok')).listen(port)
  const udp = require('node:dgram').createSocket('udp4')
  udp.on('message', (text, peer) => udp.send(text, peer.port, peer.address)).bind(5353)`

/**
 * Tries every target at once and prints the ones that answered.
 *
 * A dropped packet is a deadline that passes: 1.5 s, counted in steps, so that a process that got no processor meanwhile
 * looks at its sockets before it gives up. UDP is sent from a port that no earlier probe had: a flow from the same port
 * within half a minute is to the kernel the connection that was allowed then.
 */
const prober = `
  const [net, dgram] = [require('node:net'), require('node:dgram')]
  const [targets, port] = process.argv.slice(1).map(JSON.parse)
  const one = ([name, kind, host, to]) => new Promise((resolve) => {
    const end = (answer) => resolve(answer ? [name] : [])
    const step = (left) => left > 0 ? setTimeout(step, 100, left - 1) : end(false)
    step(15)
    if (kind === 'tcp') net.connect({ host, port: to }).on('connect', () => end(true)).on('error', () => end(false))
    else { const s = dgram.createSocket('udp4').on('message', () => end(true)); s.bind(port, () => s.send('x', to, host)) }
  })
  Promise.all(targets.map(one)).then((lists) => { console.log(JSON.stringify(lists.flat())); process.exit(0) })`

/** A pod of the tests: its namespace, the zone of its node and its labels. */
interface TestPod {
  readonly namespace: (typeof namespaces)[number]
  readonly zone: string
}

/** The server shares its node with `near` only: both ways through the packet filter are walked. */
export const pods = {
  server: { namespace: 'policy-a', zone: 'a' },
  near: { namespace: 'policy-a', zone: 'a' },
  far: { namespace: 'policy-a', zone: 'b' },
  other: { namespace: 'policy-b', zone: 'b' },
} as const satisfies Record<string, TestPod>

/** Names of the test pods; each is also the value of the pod's label `app`. */
export type PodName = keyof typeof pods

function manifest(name: PodName): object {
  const { namespace, zone } = pods[name]
  const port = { name: 'web', containerPort: 8080 }
  const container = {
    name: 'main',
    image: publicNodeBase,
    command: ['node', '-e', server],
    ports: [port, { name: 'talk', containerPort: 5353, protocol: 'UDP' }],
    readinessProbe: { httpGet: { port: 8080, path: '/' }, periodSeconds: 1, failureThreshold: 1 },
    resources: { requests: { cpu: '5m', memory: '32Mi' } },
  }
  const spec = {
    nodeSelector: { 'topology.kubernetes.io/zone': zone },
    terminationGracePeriodSeconds: 0,
    automountServiceAccountToken: false,
    containers: [container],
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec,
  }
}

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'server', namespace: 'policy-a' },
  spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 'web' }] },
}

/** Runs kubectl on the tests' cluster. */
export async function run(...args: string[]): Promise<string> {
  return kubectl(options.name, args)
}

/** Applies objects. */
export async function apply(items: readonly object[]): Promise<void> {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await kubectl(options.name, ['apply', '--server-side', '--filename', '-'], list)
}

/** Creates both namespaces and every pod, and waits until all answer. */
export async function createPods(): Promise<void> {
  await removePods()
  await apply(
    namespaces.map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { team: name } },
    })),
  )
  await apply([...(Object.keys(pods) as PodName[]).map(manifest), service])
  for (const namespace of namespaces)
    await run(
      'wait',
      'pod',
      '--all',
      '--namespace',
      namespace,
      '--for=condition=Ready',
      '--timeout=180s',
    )
}

/** Removes both namespaces with everything in them. */
export async function removePods(): Promise<void> {
  await run('delete', 'namespace', ...namespaces, '--ignore-not-found', '--timeout=120s')
}

/** Address of a pod. */
export async function addressOf(name: PodName): Promise<string> {
  return run(
    'get',
    'pod',
    name,
    '--namespace',
    pods[name].namespace,
    '--output',
    'jsonpath={.status.podIP}',
  )
}

/** One connection to try: name in the result, protocol, host, port. */
export type Target = readonly [name: string, kind: 'tcp' | 'udp', host: string, port: number]

/** Arguments of `kubectl exec` for a Node.js program in a pod. */
export function nodeIn(name: PodName, program: string, ...args: string[]): string[] {
  return ['exec', '--namespace', pods[name].namespace, name, '--', 'node', '-e', program, ...args]
}

let probes = 0

/** Names of the targets that answer one pod. At most one of them is a UDP port. */
export async function reach(from: PodName, targets: readonly Target[]): Promise<string[]> {
  const port = 20_000 + (probes++ % 10_000)
  return JSON.parse(
    await run(...nodeIn(from, prober, JSON.stringify(targets), String(port))),
  ) as string[]
}

/** Starts a program in a pod and leaves it running; its output is read line by line. */
export function start(
  from: PodName,
  program: string,
): { lines: AsyncIterator<string>; stop: () => Promise<void> } {
  const process = $({
    quiet: true,
    nothrow: true,
    env: clusterEnv(options.name),
  })`${tool('kubectl')} ${nodeIn(from, program)}`
  const lines = process[Symbol.asyncIterator]()
  return {
    lines,
    stop: async () => {
      await process.kill()
      await process
    },
  }
}
