import { randomBytes, randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Queue } from 'bullmq'
import {
  connectRedis,
  keyPrefix,
  type RedisClient,
  type RedisMode,
} from '../../../services/runtime/redis.ts'
import { freePort } from './free-port.ts'
import { answers, ServerProcess } from './process.ts'
import type { ServedTurn, TurnServer } from './turn-server.ts'
import { until } from './until.ts'

const root = resolve(import.meta.dirname, '../../..')
const node = [
  process.execPath,
  '--import',
  pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href,
] as const

/** What {@link startWorker} can be told. */
export interface WorkerSetup {
  redisURL: string
  apiURL: string
  env?: Record<string, string>
}

/** A worker as its container runs it. */
export interface TestWorker {
  readonly process: ServerProcess
  readonly metricsURL: string
  readonly name: string
  /** What it exports to Prometheus. */
  metrics(): Promise<string>
  /** SIGKILL, as when a node dies. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/** Starts a worker; it takes turns when this returns. */
export async function startWorker(setup: WorkerSetup): Promise<TestWorker> {
  const metricsPort = await freePort()
  const name = `worker-${metricsPort.toString()}`
  const worker = new ServerProcess(
    node[0],
    [...node.slice(1), join(root, 'services/worker/main.ts')],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        WORKER_NAME: name,
        DRAIN_SECONDS: '60',
        REDIS_URL: setup.redisURL,
        API_URL: setup.apiURL,
        METRICS_PORT: metricsPort.toString(),
        ...setup.env,
      },
    },
  )
  const metricsURL = `http://127.0.0.1:${metricsPort.toString()}`
  await worker.start(answers(`${metricsURL}/health/ready`), 120_000)
  return {
    process: worker,
    metricsURL,
    name,
    metrics: () => fetch(`${metricsURL}/metrics`).then((response) => response.text()),
    kill: () => worker.stop('SIGKILL'),
    stop: () => worker.stop('SIGTERM'),
  }
}

/** Puts turns into the queue as the API does. */
export class TurnSender {
  readonly queue: Queue
  readonly #server: TurnServer
  readonly #connection: RedisClient

  constructor(server: TurnServer, redisURL: string, mode: RedisMode = 'single') {
    this.#server = server
    this.#connection = connectRedis(redisURL, mode)
    // Silent about a Redis that a test stops.
    this.#connection.on('error', () => undefined)
    this.queue = new Queue('turns', { prefix: keyPrefix, connection: this.#connection })
  }

  async close(): Promise<void> {
    await this.queue.close()
    this.#connection.disconnect()
  }

  /** Queues a prompt. @returns the turn's id */
  async prompt(
    session: { id: string; directory: string },
    text: string,
    more: Partial<ServedTurn> = {},
  ): Promise<string> {
    const body = { messageID: newID('msg'), parts: [{ id: newID('prt'), type: 'text', text }] }
    return this.send(
      session,
      { method: 'POST', path: `/session/${session.id}/message`, body },
      more,
    )
  }

  async send(
    session: { id: string; directory: string },
    request: ServedTurn['request'],
    more: Partial<ServedTurn> = {},
  ): Promise<string> {
    const id = `turn_${randomUUID()}`
    const turn: ServedTurn = {
      sessionID: session.id,
      directory: session.directory,
      request,
      config: null,
      token: randomUUID(),
      fence: 0,
      attempt: 1,
      abort: false,
      passing: [],
      losses: 0,
      claims: [],
      ...more,
    }
    this.#server.turns.set(id, turn)
    await this.deliver(id)
    return id
  }

  /** Queues a turn again, as the API does for one that has lost its worker. */
  async deliver(id: string): Promise<void> {
    const turn = this.turn(id)
    await this.queue.add(
      'turn',
      { turnId: id, token: turn.token },
      { jobId: `${id}-${turn.attempt.toString()}` },
    )
  }

  turn(id: string): ServedTurn {
    const turn = this.#server.turns.get(id)
    if (turn === undefined) throw new Error(`no turn ${id}`)
    return turn
  }

  /** Waits for a turn's completion. */
  async completion(
    id: string,
    timeoutMs = 180_000,
  ): Promise<NonNullable<ServedTurn['completion']>> {
    await until(() => this.turn(id).completion !== undefined, timeoutMs, `turn ${id} to complete`)
    const { completion } = this.turn(id)
    if (completion === undefined) throw new Error('unreachable')
    return completion
  }
}

let counter = 0

/** An ascending id in the engine's form. */
export function newID(prefix: 'msg' | 'prt' | 'evt'): string {
  counter += 1
  const time = (BigInt(Date.now()) * 0x1000n + BigInt(counter)) & 0xffffffffffffn
  return `${prefix}_${time.toString(16).padStart(12, '0')}${randomBytes(16).toString('hex').slice(0, 14)}`
}

/** A new session, created in the log as the API does it. */
export function createSession(
  server: TurnServer,
  workspaceRoot: string,
  title = 'A session with a title',
): { id: string; directory: string } {
  const time = Date.now()
  const descending = ~(BigInt(time) * 0x1000n) & 0xffffffffffffn
  const id = `ses_${descending.toString(16).padStart(12, '0')}${randomBytes(16).toString('hex').slice(0, 14)}`
  const directory = join(workspaceRoot, id)
  const info = {
    id,
    slug: 'test-session',
    version: '1.18.34',
    projectID: 'global',
    directory,
    path: directory.slice(1),
    title,
    cost: 0,
    tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } },
    time: { created: time, updated: time },
  }
  server.log.set(id, [
    {
      id: newID('evt'),
      aggregateID: id,
      seq: 0,
      type: 'session.created.1',
      data: { sessionID: id, info },
    },
  ])
  return { id, directory }
}
