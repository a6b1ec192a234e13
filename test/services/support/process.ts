import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './until.ts'

/** The ids to run a server under: PostgreSQL and PgBouncer refuse to run as root. */
export interface Account {
  uid?: number
  gid?: number
}

/** The account of a Debian package where we are root, our own otherwise. */
export function accountOf(name: string): Account {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => {
    const result = spawnSync('id', [flag, name], { encoding: 'utf8' })
    if (result.status !== 0)
      throw new Error(`there is no user "${name}" to run as. Is its Debian package installed?`)
    return Number(result.stdout.trim())
  }
  return { uid: id('-u'), gid: id('-g') }
}

/** A fresh directory that the account owns. */
export function tempDir(prefix: string, { uid, gid }: Account = {}): string {
  const path = mkdtempSync(join(tmpdir(), `opencode-${prefix}-`))
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
  return path
}

/** The newest `/usr/lib/postgresql/<version>/bin`. */
export function postgresBin(): string {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root)
    ? readdirSync(root)
        .map(Number)
        .filter((version) => version > 0)
    : []
  if (versions.length === 0)
    throw new Error('no PostgreSQL below /usr/lib/postgresql: apt-get install postgresql')
  return join(root, Math.max(...versions).toString(), 'bin')
}

/** Runs a command to its end. Its output is in the error when it fails. */
export function run(command: string, args: readonly string[], account: Account = {}): string {
  const result = spawnSync(command, args, { encoding: 'utf8', ...account, cwd: '/' })
  if (result.status !== 0)
    throw new Error(
      `${command} ${args.join(' ')} failed: ${result.error?.message ?? result.stderr + result.stdout}`,
    )
  return result.stdout
}

/** Whether a URL answers with success within so many milliseconds: what {@link ServerProcess.start} waits for. */
export function answers(url: string, timeoutMs = 1_000): () => Promise<boolean> {
  return () =>
    fetch(url, { signal: AbortSignal.timeout(timeoutMs) }).then(
      (response) => response.ok,
      () => false,
    )
}

/** What a process has started, and what that has. */
export function descendants(pid: number | undefined): number[] {
  if (pid === undefined) return []
  const tasks = `/proc/${pid.toString()}/task`
  // Each thread has its own: a program may start others from any of its threads.
  const lists = ifThere(() => readdirSync(tasks), []).map((task) =>
    ifThere(() => readFileSync(join(tasks, task, 'children'), 'utf8'), ''),
  )
  return (lists.join(' ').match(/\d+/g) ?? [])
    .map(Number)
    .flatMap((child) => [child, ...descendants(child)])
}

/** The first of {@link descendants} whose program has that name. */
export function descendantNamed(pid: number | undefined, name: string): number | undefined {
  return descendants(pid).find(
    (one) =>
      ifThere(() => readFileSync(`/proc/${one.toString()}/comm`, 'utf8'), '') === `${name}\n`,
  )
}

/** What is read of a process that may end meanwhile. */
function ifThere<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}

/** How a server runs. */
export interface ServerOptions extends Account {
  readonly env?: NodeJS.ProcessEnv
  /** @default / */
  readonly cwd?: string
}

/** A server that a test starts, kills and starts again. */
export class ServerProcess {
  readonly #command: string
  readonly #args: readonly string[]
  readonly #options: ServerOptions
  #child: ChildProcess | undefined
  #log = ''

  constructor(command: string, args: readonly string[], options: ServerOptions = {}) {
    this.#command = command
    this.#args = args
    this.#options = options
  }

  /** The last 64 KiB it wrote. */
  get log(): string {
    return this.#log
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  /** Starts it and waits until `ready` says so. */
  async start(ready: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    const child = spawn(this.#command, this.#args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      ...this.#options,
    })
    this.#child = child
    const keep = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-65_536)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined
    })
    child.once('error', (error) => {
      this.#log += error.message
    })
    await until(
      async () => {
        if (!this.running) throw new Error(`${this.#command} ended at once:\n${this.#log}`)
        return ready()
      },
      timeoutMs,
      () => `${this.#command} to be ready:\n${this.#log}`,
    )
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }
}
