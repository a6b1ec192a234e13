import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Project } from '../protocol/sandbox.ts'

const run = promisify(execFile)
/** Time git has to name the first commit, ms. */
const TIMEOUT = 5_000

/** Finds out what the engine would take a directory for if it opened it now. */
export async function projectOf(directory: string): Promise<Project> {
  if (!existsSync(join(directory, '.git'))) return { id: 'global' }
  try {
    const { stdout } = await run('git', ['rev-list', '--max-parents=0', 'HEAD'], {
      cwd: directory,
      timeout: TIMEOUT,
    })
    // With several roots the engine takes the first by name.
    const [first] = stdout.trim().split('\n').sort()
    return { id: first ?? 'global', vcs: 'git' }
  } catch {
    return { id: 'global', vcs: 'git' }
  }
}
