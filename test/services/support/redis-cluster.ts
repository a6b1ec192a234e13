import { rmSync } from 'node:fs'
import { Redis } from 'ioredis'
import { freePort } from './free-port.ts'
import { ServerProcess, tempDir } from './process.ts'
import { until } from './until.ts'

/** Redis servers in cluster mode, each with a third of the slots and no replica. */
export interface RedisCluster {
  /** The nodes' URLs, separated by commas, as `REDIS_URL` takes them. */
  readonly url: string
  readonly ports: readonly number[]
  stop(): Promise<void>
}

const SLOTS = 16_384

/** Runs one command on one node. */
export async function onNode<T>(port: number, run: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    return await run(redis)
  } finally {
    redis.disconnect()
  }
}

/** Starts Debian's Redis as a cluster of three masters on loopback, in memory only. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const root = tempDir('redis-cluster')
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const buses = await Promise.all([freePort(), freePort(), freePort()])
  const nodes = await Promise.all(
    ports.map(async (port, index) => {
      const bus = buses[index] ?? 0
      const server = new ServerProcess('/usr/bin/redis-server', [
        '--port',
        port.toString(),
        '--cluster-port',
        bus.toString(),
        '--bind',
        '127.0.0.1',
        '--save',
        '',
        '--dir',
        root,
        '--cluster-enabled',
        'yes',
        '--cluster-config-file',
        `nodes-${port.toString()}.conf`,
      ])
      await server.start(() =>
        onNode(port, async (redis) => (await redis.ping()) === 'PONG').catch(() => false),
      )
      return { port, bus, server }
    }),
  )
  const [first] = nodes
  if (first === undefined) throw new Error('three nodes were asked for')
  const share = Math.ceil(SLOTS / nodes.length)
  for (const [index, { port, bus }] of nodes.entries()) {
    const end = Math.min((index + 1) * share, SLOTS) - 1
    await onNode(port, (redis) =>
      redis.call('CLUSTER', 'ADDSLOTSRANGE', (index * share).toString(), end.toString()),
    )
    await onNode(first.port, (redis) =>
      redis.call('CLUSTER', 'MEET', '127.0.0.1', port.toString(), bus.toString()),
    )
  }
  const agree = async (port: number) => {
    const info = await onNode(port, (redis) => redis.cluster('INFO'))
    return (
      info.includes('cluster_state:ok') &&
      info.includes(`cluster_known_nodes:${nodes.length.toString()}`)
    )
  }
  await until(
    async () => (await Promise.all(ports.map(agree))).every(Boolean),
    60_000,
    'the nodes to make a cluster',
  )
  return {
    ports,
    url: ports.map((port) => `redis://127.0.0.1:${port.toString()}`).join(','),
    stop: async () => {
      await Promise.all(nodes.map(({ server }) => server.stop('SIGKILL')))
      rmSync(root, { recursive: true, force: true })
    },
  }
}
