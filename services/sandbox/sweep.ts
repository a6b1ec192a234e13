import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Set by the entry point when it was PID 1 of its own namespace, and by nothing else. */
const ownsNamespace = 'ENGINE_OWNS_PID_NAMESPACE'

/**
 * Whether every other process here may be ended. True only in the engine's container: outside it `kill(-1)` would end
 * the machine's processes.
 */
export function ownsPidNamespace(env: NodeJS.ProcessEnv = process.env): boolean {
  return process.pid === 1 || (env[ownsNamespace] === '1' && process.ppid === 1)
}

/** The environment variable that says that this process was PID 1 and put an init in front of itself. */
export const ownsNamespaceMark = { [ownsNamespace]: '1' } as const

/**
 * Ends everything the engine and its tools have started, so that nothing of one tenant's turn runs on beside the next.
 * In its own PID namespace: every process but this one (and the init). Elsewhere: every process marked with the run's id.
 * @param run - Id of the engine's run, as in its environment.
 * @throws Error when processes are still there after 5 seconds.
 */
export async function endAllProcesses(run: string): Promise<void> {
  const deadline = Date.now() + 5_000
  for (;;) {
    const left = ownsPidNamespace() ? others() : marked(run)
    if (left.length === 0) return
    if (Date.now() > deadline) throw new Error(`processes survive SIGKILL: ${left.join(', ')}`)
    if (ownsPidNamespace()) killQuietly(-1)
    else for (const pid of left) killQuietly(pid)
    await sleep(10)
  }
}

/**
 * Ends what tools have left running: every process that neither this one nor the engine has under it any more.
 * Only in a PID namespace of our own; elsewhere other people's processes look the same.
 */
export function endOrphans(): void {
  if (!ownsPidNamespace()) return
  const parents = new Map(others().map((pid) => [pid, parentOf(pid)]))
  const isOurs = (pid: number | undefined): boolean =>
    pid === process.pid || (pid !== undefined && pid !== 1 && isOurs(parents.get(pid)))
  for (const pid of parents.keys()) if (!isOurs(pid)) killQuietly(pid)
}

/**
 * Empties directories but keeps them: they are mount points.
 * @throws Error when something stays.
 */
export async function emptyDirectories(paths: string[]): Promise<void> {
  for (const path of paths) {
    for (const name of await readdir(path, { encoding: 'buffer' }).catch(() => [])) {
      const entry = Buffer.concat([Buffer.from(`${path}/`), name])
      await rm(entry, { recursive: true, force: true }).catch(() => removeByForce(entry))
    }
  }
}

/**
 * Removes what a tool has made hard to remove: directories without permissions, and paths longer than the kernel takes,
 * which chmod and rm reach step by step.
 */
async function removeByForce(entry: Buffer): Promise<void> {
  // Node.js takes no bytes as an argument, and a name need not be text: the shell reads it from its input.
  const script = 'IFS= read -r -d "" path; chmod -R u+rwX -- "$path"; exec rm -rf -- "$path"'
  const child = spawn('bash', ['-c', script], { stdio: ['pipe', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-500)
  })
  child.stdin.end(Buffer.concat([entry, Buffer.of(0)]))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`what a tool has left cannot be removed: ${complaint.trim()}`)
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already.
  }
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid.toString()}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0])
  } catch {
    return undefined
  }
}

function others(): number[] {
  return pids().filter((pid) => pid !== 1 && pid !== process.pid && isAlive(pid))
}

function marked(run: string): number[] {
  const mark = `OPENCODE_ENGINE_RUN=${run}`
  return pids().filter((pid) => {
    try {
      return (
        pid !== process.pid &&
        readFileSync(`/proc/${pid.toString()}/environ`, 'latin1').split('\0').includes(mark) &&
        isAlive(pid)
      )
    } catch {
      return false
    }
  })
}

/** A zombie only waits for its parent; it runs nothing. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid.toString()}/stat`, 'latin1')
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
    return state !== 'Z' && state !== 'X'
  } catch {
    return false
  }
}
