import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { kubectl } from '../kind-cluster.ts'
import { root } from '../paths.ts'
import { poll } from '../poll.ts'
import { memberNames, memberObjects, roles, type RedisCluster } from './objects.ts'

/** Where a RedisCluster may be. */
export interface RedisClusterOptions {
  readonly cluster: string
  readonly namespace: string
  readonly line: (text: string) => void
}

/**
 * Does for the release's RedisCluster what the OT redis-operator would, which no Go proxy serves: its objects, and once its
 * members run, a cluster of them with one follower for each leader. Does nothing where the release has none.
 */
export async function ensureRedisCluster(options: RedisClusterOptions): Promise<void> {
  const { cluster, namespace, line } = options
  const list = await kubectl(cluster, [
    'get',
    'redisclusters',
    '--namespace',
    namespace,
    '--ignore-not-found',
    '--output',
    'json',
  ])
  const items = list === '' ? [] : (JSON.parse(list) as { items: RedisCluster[] }).items
  for (const one of items) {
    const start = readFileSync(join(root, 'cluster', 'redis-cluster', 'start.sh'), 'utf8')
    const objects = { apiVersion: 'v1', kind: 'List', items: memberObjects(one, start) }
    await kubectl(
      cluster,
      ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
      JSON.stringify(objects),
    )
    line(`waiting for the members of ${one.metadata.name}`)
    for (const role of roles) {
      const set = `statefulset/${one.metadata.name}-${role}`
      await kubectl(cluster, [
        'rollout',
        'status',
        set,
        '--namespace',
        namespace,
        '--timeout',
        '300s',
      ])
    }
    await formCluster(cluster, one, line)
  }
}

interface Pod {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly nodeName: string }
  readonly status: { readonly podIP: string }
}

async function pods(cluster: string, one: RedisCluster): Promise<Map<string, Pod>> {
  const { name, namespace } = one.metadata
  const selector = `app in (${roles.map((role) => `${name}-${role}`).join(', ')})`
  const output = await kubectl(cluster, [
    'get',
    'pods',
    '--namespace',
    namespace,
    '--selector',
    selector,
    '--output',
    'json',
  ])
  return new Map(
    (JSON.parse(output) as { items: Pod[] }).items.map((pod) => [pod.metadata.name, pod]),
  )
}

async function redis(
  cluster: string,
  one: RedisCluster,
  pod: string,
  args: readonly string[],
): Promise<string> {
  const command = [
    'sh',
    '-c',
    'REDISCLI_AUTH="$REDIS_PASSWORD" exec redis-cli "$@"',
    'redis-cli',
    ...args,
  ]
  return kubectl(cluster, [
    'exec',
    '--namespace',
    one.metadata.namespace,
    pod,
    '--container',
    'redis',
    '--',
    ...command,
  ])
}

/** Makes one cluster of the members, where they are none yet. */
async function formCluster(
  cluster: string,
  one: RedisCluster,
  line: (text: string) => void,
): Promise<void> {
  const leaders = memberNames(one, 'leader')
  const [first = ''] = leaders
  const size = 2 * leaders.length
  const formed = async (): Promise<boolean> => {
    const info = await redis(cluster, one, first, ['cluster', 'info'])
    return (
      info.includes('cluster_state:ok') &&
      info.includes(`cluster_known_nodes:${size}`) &&
      info.includes(`cluster_size:${leaders.length}`)
    )
  }
  if (await formed()) return line(`${one.metadata.name} is a cluster already`)
  line(`making ${leaders.length} leaders and as many followers one cluster`)
  const running = await pods(cluster, one)
  const address = (pod: string): string => `${running.get(pod)?.status.podIP ?? ''}:6379`
  const known = Number(
    /cluster_slots_assigned:(\d+)/.exec(
      await redis(cluster, one, first, ['cluster', 'info']),
    )?.[1] ?? 0,
  )
  if (known === 0)
    await redis(cluster, one, first, [
      '--cluster',
      'create',
      ...leaders.map(address),
      '--cluster-yes',
    ])
  for (const [leader, follower] of pairs(
    leaders,
    memberNames(one, 'follower'),
    (pod) => running.get(pod)?.spec.nodeName ?? pod,
  )) {
    const id = (await redis(cluster, one, leader, ['cluster', 'myid'])).trim()
    const [ip = '', port = ''] = address(leader).split(':')
    await redis(cluster, one, follower, ['cluster', 'meet', ip, port])
    await poll(`${follower} to know ${leader}`, 30, async () =>
      (await redis(cluster, one, follower, ['cluster', 'nodes'])).includes(id),
    )
    await redis(cluster, one, follower, ['cluster', 'replicate', id])
  }
  await poll('the Redis cluster', 60, formed)
}

/** Each leader with a follower on another node, where there is one: a node must not take both along. */
export function pairs(
  leaders: readonly string[],
  followers: readonly string[],
  nodeOf: (pod: string) => string,
): [string, string][] {
  const rotations = followers.map((_, shift) =>
    leaders.map((leader, index): [string, string] => [
      leader,
      followers[(index + shift) % followers.length] ?? '',
    ]),
  )
  const together = (list: [string, string][]): number =>
    list.filter(([leader, follower]) => nodeOf(leader) === nodeOf(follower)).length
  return rotations.sort((a, b) => together(a) - together(b))[0] ?? []
}
