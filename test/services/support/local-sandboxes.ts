import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PodState, SandboxPod, SandboxPods } from '../../../services/api/sandboxes/pods.ts'
import type { EngineTap } from './engine-tap.ts'
import { freePort } from './free-port.ts'
import { answers, descendantNamed, ServerProcess } from './process.ts'

const root = resolve(import.meta.dirname, '../../..')
/** The engine that every test runs. */
export const engineBinary = join(root, 'node_modules/opencode-linux-x64/bin/opencode')

const keys = generateKeyPairSync('ed25519')
/** Signs the tickets of tests. */
export const ticketPrivateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
/** Checks the tickets of tests. */
export const ticketPublicKey = keys.publicKey.export({ type: 'spki', format: 'pem' }) as string

/** What {@link LocalSandboxes} is told. */
export interface LocalSetup {
  /** Path of sessions; each sandbox mounts its own empty file system there. */
  workspaceRoot: string
  /** Unclaimed sandboxes that are kept ready. @default 1 */
  pool?: number
  env?: Record<string, string>
  /** Placed between each agent and its engine. */
  tap?: EngineTap | undefined
}

/** A sandbox as a process: the agent in a PID namespace of its own, with its own /workspace, scratch directory and home. */
export class LocalSandbox {
  readonly uid = randomUUID()
  readonly name = `sandbox-${this.uid.slice(0, 8)}`
  readonly process: ServerProcess
  readonly #folder: string
  readonly #ports: { port: number; health: number; relay: number }
  isClaimed = false
  isReady = false
  isLeaving = false
  version = 0

  private constructor(
    process: (sandbox: LocalSandbox) => ServerProcess,
    folder: string,
    ports: { port: number; health: number; relay: number },
  ) {
    this.#folder = folder
    this.#ports = ports
    this.process = process(this)
  }

  static async create({ workspaceRoot, env = {}, tap }: LocalSetup): Promise<LocalSandbox> {
    const folder = mkdtempSync(join(tmpdir(), 'opencode-sandbox-'))
    const [port, health, relay, ownPort] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ])
    mkdirSync(workspaceRoot, { recursive: true })
    for (const name of ['home', 'tmp']) mkdirSync(join(folder, name))
    const binary = join(folder, 'opencode')
    writeFileSync(
      binary,
      `#!/bin/sh\nexec ${engineBinary} serve --port ${ownPort.toString()} --hostname 127.0.0.1\n`,
      { mode: 0o755 },
    )
    const enginePort = (await tap?.before(ownPort)) ?? ownPort
    // Not exec: a container has an init before the agent, which tools could not signal as PID 1.
    const command = 'mount -t tmpfs tmpfs "$WORKSPACE_ROOT" && "$@"; exit $?'
    const loader = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
    const program = [globalThis.process.execPath, '--import', loader]
    const start = (sandbox: LocalSandbox) =>
      new ServerProcess(
        'unshare',
        [
          ...['--pid', '--fork', '--kill-child', '--mount', '--mount-proc'],
          ...['sh', '-c', command, 'sh', ...program, join(root, 'services/sandbox/main.ts')],
        ],
        {
          env: {
            PATH: globalThis.process.env['PATH'] ?? '',
            HOME: folder,
            ENGINE_OWNS_PID_NAMESPACE: '1',
            POD_UID: sandbox.uid,
            TICKET_PUBLIC_KEY: ticketPublicKey,
            PORT: port.toString(),
            HEALTH_PORT: health.toString(),
            RELAY_PORT: relay.toString(),
            ENGINE_PORT: enginePort.toString(),
            OPENCODE_BINARY: binary,
            ENGINE_HOME: join(folder, 'home'),
            ENGINE_TMP: join(folder, 'tmp'),
            WORKSPACE_ROOT: workspaceRoot,
            // A busy machine is no hung engine.
            ENGINE_CHECK_INTERVAL_MS: '10000',
            ENGINE_START_TIMEOUT_MS: '180000',
            // Saves the suites minutes; those that are about it turn it on.
            ENGINE_REHEARSAL: 'off',
            ...env,
          },
        },
      )
    return new LocalSandbox(start, folder, { port, health, relay })
  }

  get address(): string {
    return `127.0.0.1:${this.#ports.port.toString()}`
  }

  get relayURL(): string {
    return `http://127.0.0.1:${this.#ports.relay.toString()}`
  }

  /** The `opencode serve` that runs now. */
  get enginePid(): number | undefined {
    return descendantNamed(this.process.pid, 'opencode')
  }

  get pod(): SandboxPod {
    const { uid, name, address, isClaimed, isReady, isLeaving } = this
    const state: PodState = isLeaving ? 'leaving' : this.process.running ? 'running' : 'ended'
    return {
      uid,
      name,
      address,
      version: this.version.toString(),
      isClaimed,
      isReady,
      starts: 0,
      state,
    }
  }

  async start(): Promise<void> {
    const health = `http://127.0.0.1:${this.#ports.health.toString()}/ready`
    await this.process.start(answers(health), 180_000)
    this.isReady = true
  }

  async end(): Promise<void> {
    await this.process.stop('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A pool of sandboxes as processes of this machine, for tests: a claimed one is followed by another, as a Deployment would do. */
export class LocalSandboxes implements SandboxPods {
  /** All that there are. */
  readonly sandboxes = new Map<string, LocalSandbox>()
  /** What the ended ones have logged. */
  log = ''
  readonly #setup: LocalSetup
  #isClosed = false
  #filling: Promise<void> | undefined
  readonly #ending = new Set<Promise<void>>()

  private constructor(setup: LocalSetup) {
    this.#setup = setup
  }

  /** @returns once the pool is full */
  static async start(setup: LocalSetup): Promise<LocalSandboxes> {
    const pool = new LocalSandboxes(setup)
    await pool.fill()
    return pool
  }

  /** Changes what later sandboxes are told, and replaces those that wait. */
  async configure(env: Record<string, string>): Promise<void> {
    this.#setup.env = env
    await this.#filling
    await Promise.all(
      [...this.sandboxes.values()].filter((one) => !one.isClaimed).map((one) => this.#remove(one)),
    )
    await this.fill()
  }

  /** Waits for a full pool. */
  async fill(): Promise<void> {
    const { pool = 1 } = this.#setup
    this.#filling ??= (async () => {
      for (;;) {
        const waiting = [...this.sandboxes.values()].filter(
          ({ isClaimed, pod }) => !isClaimed && pod.state === 'running',
        )
        if (this.#isClosed || waiting.length >= pool) return
        const sandbox = await LocalSandbox.create(this.#setup)
        this.sandboxes.set(sandbox.uid, sandbox)
        try {
          await sandbox.start()
        } catch (error) {
          await this.#remove(sandbox)
          if (!this.#isClosed) throw error
        }
      }
    })().finally(() => {
      this.#filling = undefined
    })
    return this.#filling
  }

  list(): Promise<SandboxPod[]> {
    return Promise.resolve([...this.sandboxes.values()].map(({ pod }) => pod))
  }

  async claim({ uid, version }: SandboxPod): Promise<boolean> {
    const sandbox = this.sandboxes.get(uid)
    if (sandbox?.version.toString() !== version || sandbox.isClaimed) return false
    sandbox.isClaimed = true
    sandbox.version += 1
    void this.fill().catch(() => undefined)
    return Promise.resolve(true)
  }

  find(_name: string, uid: string): Promise<SandboxPod | undefined> {
    return Promise.resolve(this.sandboxes.get(uid)?.pod)
  }

  async end(_name: string, uid: string): Promise<void> {
    const sandbox = this.sandboxes.get(uid)
    if (sandbox !== undefined) await this.#remove(sandbox)
  }

  /** Those that belong to a session, oldest claim first. */
  get claimed(): LocalSandbox[] {
    return [...this.sandboxes.values()].filter(({ isClaimed }) => isClaimed)
  }

  async stop(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.sandboxes.values()].map((sandbox) => this.#remove(sandbox)))
    await this.#filling?.catch(() => undefined)
    await Promise.all(this.#ending)
  }

  async #remove(sandbox: LocalSandbox): Promise<void> {
    this.sandboxes.delete(sandbox.uid)
    const ended = sandbox.end().then(() => {
      this.log += sandbox.process.log
    })
    this.#ending.add(ended)
    await ended.finally(() => this.#ending.delete(ended))
  }
}
