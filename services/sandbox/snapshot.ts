import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstat, mkdir, readdir } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract } from 'tar'

/**
 * What is kept of a session's files. Packed and unpacked in the engine's container, which holds no secret: whatever a
 * tool has linked to, there is nothing here that the tool could not read itself.
 */
export interface SnapshotRoots {
  /** Root of all sessions' directories. */
  workspaceRoot: string
  /** The session's directory, below the root. */
  workspace: string
  /** The engine's record of earlier file states, which `revert` needs. */
  history: string
}

/** @throws Error when the session's directory is not below the root of sessions. */
export function snapshotRoots(
  workspaceRoot: string,
  home: string,
  directory: string,
): SnapshotRoots {
  const workspace = resolve(directory)
  if (!workspace.startsWith(resolve(workspaceRoot) + sep))
    throw new Error(`directory "${directory}" is not below ${workspaceRoot}`)
  return {
    workspaceRoot: resolve(workspaceRoot),
    workspace,
    history: join(home, '.local/share/opencode/snapshot'),
  }
}

/**
 * Packs both roots as one tar.gz. Nothing must be running that could change them.
 * The stream fails when tar does, so that half an archive never passes for a whole one.
 */
export async function pack(roots: SnapshotRoots): Promise<Readable> {
  await Promise.all([
    mkdir(roots.workspace, { recursive: true }),
    mkdir(roots.history, { recursive: true }),
  ])
  const tar = spawn(
    'tar',
    [
      '--create',
      '--file=-',
      '--use-compress-program=gzip -1',
      '--warning=no-file-ignored',
      `--directory=${roots.workspaceRoot}`,
      `./${relative(roots.workspaceRoot, roots.workspace)}`,
      `--directory=${dirname(roots.history)}`,
      `./${basename(roots.history)}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let complaint = ''
  tar.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-500)
  })
  const out = new PassThrough()
  tar.stdout.on('data', (chunk: Buffer) => {
    if (!out.write(chunk)) tar.stdout.pause()
  })
  out.on('drain', () => tar.stdout.resume())
  out.on('close', () => {
    tar.kill('SIGKILL')
  })
  tar.on('error', (error) => {
    out.destroy(error)
  })
  tar.on('close', (code) => {
    if (code === 0) out.end()
    else out.destroy(new Error(`tar ended with code ${String(code)}: ${complaint.trim()}`))
  })
  return out
}

/**
 * Unpacks what {@link pack} made, also of a session with another directory: a fork gets its source's.
 * The tar library refuses paths and links that would leave the roots.
 */
export async function unpack(roots: SnapshotRoots, source: Readable): Promise<void> {
  const historyName = basename(roots.history)
  await Promise.all([
    mkdir(roots.workspace, { recursive: true }),
    mkdir(roots.history, { recursive: true }),
  ])
  const isHistory = (path: string) => path.replace(/^\.\//, '').split('/')[0] === historyName
  // Two parts of each name stand for the root that it is below: `./<root>/…`.
  const common = { preserveOwner: false, strict: false, strip: 2 }
  const targets = [
    extract({ ...common, cwd: roots.workspace, filter: (path) => !isHistory(path) }),
    extract({ ...common, cwd: roots.history, filter: isHistory }),
  ]
  const feeds = targets.map(() => new PassThrough())
  const done = feeds.map((feed, index) =>
    pipeline(feed, targets[index] as unknown as NodeJS.WritableStream),
  )
  try {
    for await (const chunk of source)
      for (const feed of feeds) if (!feed.write(chunk)) await drained(feed)
    for (const feed of feeds) feed.end()
  } catch (error) {
    for (const feed of feeds) feed.destroy(error as Error)
    await Promise.allSettled(done)
    throw error
  }
  await Promise.all(done)
}

function drained(stream: PassThrough): Promise<void> {
  return new Promise((done, fail) => {
    const settle = () => {
      stream.off('drain', settle).off('close', settle)
      if (stream.errored) fail(stream.errored)
      else done()
    }
    stream.on('drain', settle).on('close', settle)
  })
}

/**
 * A digest over names, modes, sizes, inodes and times of change: when it has not changed a new snapshot would say nothing
 * new. No tool can set a time of change (ctime), as it can a modification time.
 */
export async function fingerprint(roots: SnapshotRoots): Promise<string> {
  const hash = createHash('sha256')
  const visit = async (path: string, name: string): Promise<void> => {
    const stat = await lstat(path, { bigint: true })
    if (!stat.isDirectory()) {
      const { mode, size, ino, ctimeNs } = stat
      hash.update(`${[name, mode, size, ino, ctimeNs].map(String).join('\0')}\n`)
      return
    }
    const children = (await readdir(path)).sort()
    if (children.length > 0) hash.update(`${name}/\0${stat.mode.toString(8)}\n`)
    for (const child of children) await visit(join(path, child), `${name}/${child}`)
  }
  await visit(roots.workspace, 'workspace').catch(() => undefined)
  await visit(roots.history, 'history').catch(() => undefined)
  return hash.digest('hex')
}
