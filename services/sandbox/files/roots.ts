import { join, resolve, sep } from 'node:path'

/**
 * What is kept of a session's files. Read and written in the sandbox, which holds no secret: whatever a tool has
 * linked to, there is nothing here that the tool could not read itself.
 */
export interface FileRoots {
  /** Root of all sessions' directories. */
  readonly workspaceRoot: string
  /** The session's directory, below the root. */
  readonly workspace: string
  /** The engine's record of earlier file states, which `revert` needs. */
  readonly history: string
}

/** @throws Error when the session's directory is not below the root of sessions. */
export function fileRoots(workspaceRoot: string, home: string, directory: string): FileRoots {
  const workspace = resolve(directory)
  if (!workspace.startsWith(resolve(workspaceRoot) + sep))
    throw new Error(`directory "${directory}" is not below ${workspaceRoot}`)
  return {
    workspaceRoot: resolve(workspaceRoot),
    workspace,
    history: join(home, '.local/share/opencode/snapshot'),
  }
}

/** Where an entry's path leads. Bytes, because a name need not be text. @throws Error for one that leads out */
export function placeOf(roots: FileRoots, path: string): Buffer {
  const root = path.startsWith('w/') ? roots.workspace : roots.history
  const below = path.slice(2)
  const isInside =
    /^[wh]\//.test(path) &&
    !below.includes('\0') &&
    below.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
  if (!isInside) throw new Error('a snapshot names a path outside the session')
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(below, 'latin1')])
}
