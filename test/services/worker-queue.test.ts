import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { TurnCommands } from '../../services/api/turns/commands.ts'
import { TurnQueue } from '../../services/api/turns/queue.ts'
import {
  connectRedis,
  keyPrefix,
  PubSub,
  type RedisClient,
  type RedisMode,
} from '../../services/runtime/redis.ts'
import { LocalSandboxes } from './support/local-sandboxes.ts'
import { onNode, startRedisCluster } from './support/redis-cluster.ts'
import { startRedis } from './support/redis.ts'
import { TurnServer } from './support/turn-server.ts'
import { until } from './support/until.ts'
import { createSession, startWorker, TurnSender, type TestWorker } from './support/worker.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

interface ScaledObject {
  spec: { triggers: { name: string; metadata: { listName?: string; query?: string } }[] }
}

/** A trigger of the chart's ScaledObject, as the golden files have it. */
function trigger(goldenCase: string, name: string): { listName?: string; query?: string } {
  const file = join(
    import.meta.dirname,
    '../golden',
    goldenCase,
    'scaledobject.opencode-workers.opencode-worker.yaml',
  )
  const found = (parse(readFileSync(file, 'utf8')) as ScaledObject).spec.triggers.find(
    (entry) => entry.name === name,
  )
  if (found === undefined) throw new Error(`${goldenCase} has no trigger "${name}"`)
  return found.metadata
}

const modes: { mode: RedisMode; goldenCase: string }[] = [
  { mode: 'single', goldenCase: 'keda' },
  { mode: 'cluster', goldenCase: 'keda-redis-cluster' },
]

describe.each(modes)('GIVEN a queue in Redis, $mode', ({ mode, goldenCase }) => {
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'opencode-workspace-'))
  let redis: { url: string; ports: readonly number[]; stop(): Promise<void> }
  let server: TurnServer
  let sender: TurnSender
  let worker: TestWorker | undefined
  let pool: LocalSandboxes | undefined
  const connections: RedisClient[] = []

  const connect = () => {
    const connection = connectRedis(redis.url, mode)
    connection.on('error', () => undefined)
    connections.push(connection)
    return connection
  }
  /** Length of a list as KEDA asks for it. */
  const length = async (name: string) => {
    const { listName } = trigger(goldenCase, name)
    if (listName === undefined) throw new Error(`the trigger "${name}" names no list`)
    return connect().llen(listName)
  }

  beforeAll(async () => {
    if (mode === 'cluster') redis = await startRedisCluster()
    else {
      const single = await startRedis()
      redis = { url: single.url, ports: [single.port], stop: () => single.stop() }
    }
    server = await new TurnServer().listening()
    sender = new TurnSender(server, redis.url, mode)
  })
  afterAll(async () => {
    await worker?.stop()
    await pool?.stop()
    await sender.close()
    for (const connection of connections) connection.disconnect()
    server.close()
    await redis.stop()
  })

  test('WHEN turns wait THEN the lists that the chart gives to KEDA have them', async () => {
    const queue = new TurnQueue(connect(), () => undefined)
    for (const turnId of ['turn_a', 'turn_b', 'turn_c'])
      await queue.add({ turnId, token: 'none' }, 1)
    await queue.add({ turnId: 'turn_c', token: 'none' }, 1)
    expect(await length('waiting')).toBe(3)
    expect(await length('running')).toBe(0)
    expect(await queue.counts()).toMatchObject({ waiting: 3, active: 0 })
    expect(
      await queue.missing([
        { turnID: 'turn_a', attempt: 1 },
        { turnID: 'turn_a', attempt: 2 },
        { turnID: 'turn_d', attempt: 1 },
      ]),
    ).toEqual(new Set(['turn_a', 'turn_d']))
    for (const turnID of ['turn_a', 'turn_b', 'turn_c']) await queue.remove(turnID, 1)
    expect(await length('waiting')).toBe(0)
    await queue.close()
  })

  test('WHEN a worker takes one THEN it moves to the running list, obeys an abort, and leaves nothing behind', async () => {
    pool = await LocalSandboxes.start({ workspaceRoot })
    server.pool = pool
    worker = await startWorker({
      redisURL: redis.url,
      apiURL: server.url,
      env: { REDIS_MODE: mode },
    })
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, 'please use a tool for 60 seconds')
    const running = () =>
      server
        .events(session.id)
        .some(
          ({ type, data }) =>
            type === 'message.part.updated.1' &&
            (data['part'] as { state?: { status: string } }).state?.status === 'running',
        )
    await until(running, 180_000, 'the tool to run')
    expect(await length('waiting')).toBe(0)
    expect(await length('running')).toBe(1)
    const commands = new TurnCommands(new PubSub(connect(), connect()))
    expect(
      await commands.request(id, { method: 'GET', path: `/session/${session.id}` }),
    ).toMatchObject({ status: 200, body: { id: session.id } })
    await commands.abort(id)
    expect(await sender.completion(id)).toMatchObject({ outcome: 'aborted' })
    await until(async () => (await length('running')) === 0, 60_000, 'the queue to be empty')
  })

  test('WHEN its keys are looked at THEN all of them are in one slot', async () => {
    const found = await Promise.all(
      redis.ports.map((port) => onNode(port, (node) => node.keys('*'))),
    )
    expect(found.filter((keys) => keys.length > 0)).toHaveLength(1)
    expect(found.flat().filter((key) => !key.startsWith(`${keyPrefix}:`))).toEqual([])
  })
})
