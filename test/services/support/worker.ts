import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Queue } from 'bullmq'
import {
  connectRedis,
  keyPrefix,
  type RedisClient,
  type RedisMode,
} from '../../../services/runtime/redis.ts'
import type { EngineTap } from './engine-tap.ts'
import { freePort } from './free-port.ts'
import { answers, descendantNamed, ServerProcess } from './process.ts'
import type { ServedTurn, TurnServer } from './turn-server.ts'
import { until } from './until.ts'

const root = resolve(import.meta.dirname, '../../..')
/** The engine that every test runs. */
export const engineBinary = join(root, 'node_modules/opencode-linux-x64/bin/opencode')
const node = [
  process.execPath,
  '--import',
  pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href,
] as const

/** What {@link startWorker} can be told. */
export interface WorkerSetup {
  redisURL: string
  apiURL: string
  /** Path of sessions; each worker mounts its own empty file system there. */
  workspaceRoot: string
  env?: Record<string, string>
  /** Placed between the supervisor and the engine. */
  tap?: EngineTap | undefined
  /** What is waited for: a warm engine, or only a supervisor, for a worker whose engine never lasts. @default 'ready' */
  until?: 'ready' | 'live'
}

/** A worker pod as two processes: the engine in namespaces of its own, the supervisor beside it. */
export interface TestWorker {
  readonly supervisor: ServerProcess
  readonly engine: ServerProcess
  readonly metricsURL: string
  readonly name: string
  /** What it exports to Prometheus. */
  metrics(): Promise<string>
  /**
   * Whether a warm engine waits for a turn. A worker that is busy with its recycling passes its readiness probe as well: only both say so.
   */
  isIdle(): Promise<boolean>
  /** The `opencode serve` that runs now. */
  enginePid(): number | undefined
  /** SIGKILL to both, as when a node dies. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a worker the way Kubernetes does: the engine is PID 1 of its own PID namespace with its own /workspace, /tmp and
 * home; the supervisor is outside of it; both share the network.
 */
export async function startWorker(setup: WorkerSetup): Promise<TestWorker> {
  const directory = mkdtempSync(join(tmpdir(), 'opencode-worker-'))
  const [port, controlPort, relayPort, metricsPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ])
  if (setup.tap !== undefined) setup.tap.enginePort = port
  const name = `worker-${metricsPort.toString()}`
  mkdirSync(setup.workspaceRoot, { recursive: true })
  const home = join(directory, 'home')
  mkdirSync(home)
  const common = {
    PATH: process.env['PATH'] ?? '',
    HOME: directory,
    WORKER_NAME: name,
    ENGINE_PORT: port.toString(),
    ENGINE_CONTROL_PORT: controlPort.toString(),
    WORKSPACE_ROOT: setup.workspaceRoot,
    DRAIN_SECONDS: '60',
    // A busy machine is no hung engine.
    ENGINE_CHECK_INTERVAL_MS: '10000',
    ENGINE_START_TIMEOUT_MS: '180000',
    // Saves the suites minutes; those that are about it turn it on.
    ENGINE_REHEARSAL: 'off',
    ...setup.env,
  }
  const scratch = join(directory, 'tmp')
  mkdirSync(scratch)
  const command = [
    // /tmp itself must stay visible: the test's own directories are below it.
    'mount -t tmpfs tmpfs "$WORKSPACE_ROOT"',
    'exec "$@"',
  ].join(' && ')
  const engine = new ServerProcess(
    'unshare',
    [
      '--pid',
      '--fork',
      '--kill-child',
      '--mount',
      '--mount-proc',
      'sh',
      '-c',
      command,
      'sh',
      ...node,
      join(root, 'services/worker/engine/main.ts'),
    ],
    { env: { ...common, OPENCODE_BINARY: engineBinary, ENGINE_HOME: home, ENGINE_TMP: scratch } },
  )
  await engine.start(answers(`http://127.0.0.1:${controlPort.toString()}/status`), 120_000)
  const supervisor = new ServerProcess(
    node[0],
    [...node.slice(1), join(root, 'services/worker/supervisor/main.ts')],
    {
      env: {
        ...common,
        REDIS_URL: setup.redisURL,
        API_URL: setup.apiURL,
        RELAY_PORT: relayPort.toString(),
        METRICS_PORT: metricsPort.toString(),
        ...(setup.tap === undefined ? {} : { ENGINE_PORT: setup.tap.port.toString() }),
      },
    },
  )
  const metricsURL = `http://127.0.0.1:${metricsPort.toString()}`
  try {
    await supervisor.start(answers(`${metricsURL}/health/${setup.until ?? 'ready'}`), 180_000)
  } catch (error) {
    // Nobody would end them: the caller has no handle yet.
    await Promise.all([supervisor.stop('SIGKILL'), engine.stop('SIGKILL')])
    throw error
  }
  const clean = () => {
    rmSync(directory, { recursive: true, force: true })
  }
  const metrics = () => fetch(`${metricsURL}/metrics`).then((response) => response.text())
  return {
    supervisor,
    engine,
    metricsURL,
    name,
    metrics,
    isIdle: async () =>
      (await metrics().catch(() => '')).includes('\nopencode_worker_busy 0') &&
      (await answers(`${metricsURL}/health/ready`)()),
    enginePid: () => descendantNamed(engine.pid, 'opencode'),
    kill: async () => {
      await Promise.all([supervisor.stop('SIGKILL'), engine.stop('SIGKILL')])
      clean()
    },
    stop: async () => {
      await supervisor.stop('SIGTERM')
      await engine.stop('SIGKILL')
      clean()
    },
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
      heartbeats: 0,
      abort: false,
      passing: [],
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
