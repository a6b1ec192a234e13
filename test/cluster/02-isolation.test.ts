import { beforeAll, describe, expect, it } from 'vitest'
import { $ } from 'zx'
import { clusterEnv } from '../../cluster/kind-cluster.ts'
import { tool } from '../../cluster/paths.ts'
import { sandboxesNamespace, workersNamespace } from '../../cluster/release.ts'
import { options } from './lib/environment.ts'
import { api, exec, podOf, podsOf } from './lib/kubernetes.ts'

/** What a pod finds at an address: `open`, or why not. */
type Finding = [name: string, found: string]

/** An address, and what answers there where nothing stands between. */
type Target = readonly [name: string, host: string, port: number]

/** Tries TCP connections from a pod, all at once. Node.js is in the image; other tools may not be. */
async function dial(
  [namespace, pod, container]: readonly [string, string, string],
  targets: readonly Target[],
): Promise<Finding[]> {
  const program = `
    const { connect } = require('node:net')
    const tries = ${JSON.stringify(targets)}.map(([name, host, port]) => new Promise((done) => {
      const socket = connect({ host, port, timeout: 5000 })
      const end = (found) => { socket.destroy(); done([name, found]) }
      socket.on('connect', () => end('open'))
      socket.on('timeout', () => end('timeout'))
      socket.on('error', (error) => end(error.code))
    }))
    Promise.all(tries).then((found) => console.log(JSON.stringify(found)))`
  const { code, output } = await exec(namespace, pod, container, ['node', '-e', program], 60)
  expect(code, output).toBe(0)
  return JSON.parse(output) as Finding[]
}

const open = (findings: readonly Finding[]): string[] =>
  findings.flatMap(([name, found]) => (found === 'open' ? [name] : []))

describe('a tool worker', () => {
  let worker: readonly [string, string, string]
  let sandboxes: Target[]

  beforeAll(async () => {
    worker = [workersNamespace, await podOf(workersNamespace, 'worker'), 'worker']
    const pods = await podsOf(sandboxesNamespace, 'sandbox')
    sandboxes = pods.map(({ name, ip }) => [name, ip, 7070])
  })

  it('reaches the API, Redis and sandboxes', async () => {
    const targets: Target[] = [
      ['the API', 'opencode-api.opencode.svc.cluster.local', 80],
      ['Redis', 'opencode-redis.opencode.svc.cluster.local', 6379],
      ...sandboxes,
    ]
    expect(open(await dial(worker, targets))).toEqual(targets.map(([name]) => name))
  })

  it('reaches nothing else', async () => {
    const targets: Target[] = [
      ['PostgreSQL', 'opencode-postgres.opencode.svc.cluster.local', 5432],
      ['the Kubernetes API', 'kubernetes.default.svc.cluster.local', 443],
      ['the WebSocket handlers', 'opencode-websocket.opencode.svc.cluster.local', 80],
      ["a sandbox's health", sandboxes[0]?.[1] ?? '', 8081],
      ...outside,
    ]
    expect(open(await dial(worker, targets))).toEqual([])
  })

  it('has no Kubernetes credential', async () => {
    const [namespace, pod, container] = worker
    const path = '/var/run/secrets/kubernetes.io'
    expect((await exec(namespace, pod, container, ['ls', path])).code).not.toBe(0)
  })

  it("has no Secret in its namespace but Redis'", async () => {
    const { items } = await api().core.listNamespacedSecret({ namespace: workersNamespace })
    expect(
      items.map(({ metadata }) => metadata?.name).filter((name) => !name?.startsWith('sh.helm')),
    ).toEqual(['opencode-redis'])
  })
})

/** Addresses that only documentation uses (RFC 5737) and those that clouds keep for themselves: no packet may leave for them. */
const outside: readonly Target[] = [
  ['the internet, 192.0.2.0/24', '192.0.2.1', 443],
  ['the internet, 198.51.100.0/24', '198.51.100.1', 443],
  ['a name server outside, 203.0.113.0/24', '203.0.113.1', 53],
  ['cloud metadata', '169.254.169.254', 80],
]

/**
 * Runs while a node answers at these addresses itself, on an interface of its own: an address where nobody is would look like one that
 * is out of reach.
 */
async function whileAnswered<T>(node: string, run: () => Promise<T>): Promise<T> {
  const docker = $({ quiet: true })
  const addresses = outside.map(([, host]) => host)
  const up = [
    // A bridge without ports: every machine that runs Docker has those, unlike dummy interfaces.
    'ip link add outside type bridge && ip link set outside up',
    ...addresses.map((address) => `ip addr add ${address}/32 dev outside`),
  ].join(' && ')
  await docker`docker exec ${node} sh -c ${up}`
  try {
    return await run()
  } finally {
    await docker`docker exec ${node} ip link delete outside`
  }
}

describe('a sandbox', () => {
  let sandbox: readonly [string, string, string]
  let node = ''
  const targets: Target[] = []

  beforeAll(async () => {
    const [one] = await podsOf(sandboxesNamespace, 'sandbox')
    if (one === undefined) throw new Error('no sandbox runs')
    sandbox = [sandboxesNamespace, one.name, 'sandbox']
    node = one.node
    // Addresses, because it knows no name server; of Services and of the pods behind them.
    const { items: services } = await api().core.listServiceForAllNamespaces()
    for (const { metadata, spec } of services) {
      const ip = spec?.clusterIP
      if (ip === undefined || ip === 'None') continue
      for (const { port, protocol } of spec?.ports ?? [])
        if (protocol === 'TCP') targets.push([`Service ${metadata?.name ?? ''}:${port}`, ip, port])
    }
    const { items: pods } = await api().core.listPodForAllNamespaces()
    for (const { metadata, spec, status } of pods) {
      if (status?.podIP === undefined || metadata?.name === one.name) continue
      const ports = (spec?.containers ?? []).flatMap(({ ports = [] }) => ports)
      for (const { containerPort } of ports)
        targets.push([`Pod ${metadata?.name ?? ''}:${containerPort}`, status.podIP, containerPort])
    }
    const { items: nodes } = await api().core.listNode()
    for (const { metadata, status } of nodes) {
      const ip = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? ''
      for (const port of [22, 6443, 10249, 10250, 10256, 2379])
        targets.push([`Node ${metadata?.name ?? ''}:${port}`, ip, port])
    }
  })

  it('opens no connection: to no Service, no pod, no node and nothing outside', async () => {
    const findings = await whileAnswered(node, () => dial(sandbox, [...targets, ...outside]))
    expect(findings.length).toBeGreaterThan(20)
    expect(open(findings)).toEqual([])
  })

  it('is stopped by policies: what is out of its reach answers others', async () => {
    const listed = (names: readonly string[]) =>
      names.map((one) => targets.filter(([name]) => name.startsWith(one)))
    const services = listed(['Service kubernetes:', 'Service opencode-api:', 'Service kube-dns:'])
    // The stores' Services are headless: their pods stand for them.
    const stores = listed(['Pod opencode-redis-0:', 'Pod opencode-postgres-0:'])
    for (const found of [...services, ...stores]) expect(found).not.toEqual([])
    for (const [, host, port] of services.flat()) {
      const program = `exec 3<>/dev/tcp/${host}/${port}`
      const { exitCode } = await $({
        quiet: true,
        nothrow: true,
      })`docker exec ${node} timeout 10 bash -c ${program}`
      expect(exitCode, `${host}:${port} from the node`).toBe(0)
    }
    // Stores answer nobody but those who need them, such as the API.
    const apiPod = ['opencode', await podOf('opencode', 'api'), 'api'] as const
    expect(open(await dial(apiPod, stores.flat()))).toEqual(stores.flat().map(([name]) => name))
  })

  it('finds no name, by UDP or TCP', async () => {
    const [namespace, pod, container] = sandbox
    const { items } = await api().core.listNamespacedService({ namespace: 'kube-system' })
    const server =
      items.find(({ metadata }) => metadata?.name === 'kube-dns')?.spec?.clusterIP ?? ''
    const program = `
      const { Resolver } = require('node:dns').promises
      const tries = ['', '${server}', '203.0.113.1'].map((server) => {
        const resolver = new Resolver({ timeout: 2000, tries: 1 })
        if (server !== '') resolver.setServers([server])
        return resolver.resolve4('kubernetes.default.svc.cluster.local').then(() => 'found', (error) => error.code)
      })
      Promise.all(tries).then((found) => console.log(JSON.stringify(found)))`
    const { output } = await exec(namespace, pod, container, ['node', '-e', program])
    expect(JSON.parse(output)).not.toContain('found')
    expect(JSON.parse(output)).toHaveLength(3)
  })

  it('holds no credential and no secret', async () => {
    const [namespace, pod, container] = sandbox
    const path = '/var/run/secrets/kubernetes.io'
    expect((await exec(namespace, pod, container, ['ls', path])).code).not.toBe(0)
    const { output } = await exec(namespace, pod, container, [
      'sh',
      '-c',
      'cat /proc/[0-9]*/environ | tr "\\0" "\\n"',
    ])
    expect(output).toContain('TICKET_PUBLIC_KEY')
    expect(output).not.toMatch(/REDIS|PRIVATE KEY|DATABASE|JWT|\.svc\b/)
    const { items } = await api().core.listNamespacedSecret({ namespace })
    expect(items.map(({ metadata }) => metadata?.name)).toEqual([])
  })

  it("can be looked after by the API's account, and made by nobody's", async () => {
    const can = async (account: string, verb: string, what: string): Promise<string> => {
      const as = `system:serviceaccount:${account}`
      const run = $({ quiet: true, nothrow: true, env: clusterEnv(options.name) })
      const answer =
        await run`${tool('kubectl')} auth can-i ${verb} ${what} --namespace ${sandboxesNamespace} --as ${as}`
      return answer.stdout.trim()
    }
    expect(await can('opencode:opencode-api', 'patch', 'pods')).toBe('yes')
    expect(await can('opencode:opencode-api', 'delete', 'pods')).toBe('yes')
    expect(await can('opencode:opencode-api', 'create', 'pods')).toBe('no')
    expect(await can('opencode:opencode-api', 'create', 'pods/exec')).toBe('no')
    expect(await can('opencode:opencode-api', 'get', 'secrets')).toBe('no')
    expect(await can('opencode-workers:opencode-worker', 'get', 'pods')).toBe('no')
    expect(await can('opencode-sandboxes:opencode-sandbox', 'get', 'pods')).toBe('no')
  })
})
