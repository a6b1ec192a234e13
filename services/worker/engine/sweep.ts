import { readdirSync, readFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
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

/** Empties directories but keeps them: they are mount points. */
export async function emptyDirectories(paths: string[]): Promise<void> {
  for (const path of paths) {
    for (const name of await readdir(path).catch(() => [])) {
      // A tool may leave directories without write permission; rm's retries change nothing about those, so open them first.
      await rm(join(path, name), { recursive: true, force: true }).catch(async () => {
        await openUp(join(path, name))
        await rm(join(path, name), { recursive: true, force: true })
      })
    }
  }
}

async function openUp(path: string): Promise<void> {
  const { chmod, lstat } = await import('node:fs/promises')
  if (!(await lstat(path)).isDirectory()) return
  await chmod(path, 0o700)
  for (const name of await readdir(path)) await openUp(join(path, name))
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
