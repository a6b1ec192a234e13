import { chmodSync, lstatSync, readdirSync, readlinkSync, type BigIntStats } from 'node:fs'
import { setImmediate as otherWork } from 'node:timers/promises'
import { placeOf, type FileRoots } from './roots.ts'

/** Something that a walk has found. */
export interface Found {
  /** As in a snapshot: `w/…` or `h/…`, bytes spelt as Latin-1. */
  readonly path: string
  readonly kind: 'd' | 'f' | 'l' | 'h'
  readonly stat: BigIntStats
  /** What a link names. */
  readonly to?: string
  /**
   * Changes whenever the entry does: with its inode and time of change (ctime), which no tool can set as it can a time of
   * modification.
   */
  readonly signature: string
}

/** Entries that are looked at before other work of this process has its turn. */
const AT_ONCE = 2_000

/**
 * Everything below both roots, each directory before what is in it, names in the order of their bytes. Sockets, pipes and
 * devices are left out, as is what lies deeper than the kernel takes a path.
 */
export async function walk(roots: FileRoots): Promise<Found[]> {
  const found: Found[] = []
  const linked = new Map<bigint, string>()
  let looked = 0
  const visit = async (directory: string): Promise<void> => {
    for (const name of await namesIn(roots, directory)) {
      if (++looked % AT_ONCE === 0) await otherWork()
      const path = `${directory}${name}`
      const entry = look(roots, path, linked)
      if (entry === undefined) continue
      found.push(entry)
      if (entry.kind === 'd') await visit(`${path}/`)
    }
  }
  await visit('w/')
  await visit('h/')
  return found
}

async function namesIn(roots: FileRoots, directory: string): Promise<string[]> {
  const path =
    directory.length === 2
      ? Buffer.from(directory === 'w/' ? roots.workspace : roots.history)
      : placeOf(roots, directory.slice(0, -1))
  const read = () => readdirSync(path, { encoding: 'latin1' }).sort(byBytes)
  try {
    return read()
  } catch (error) {
    if (isCode(error, 'EACCES')) return await withMode(path, 0o700, read)
    if (isCode(error, 'ENOENT', 'ENAMETOOLONG', 'ENOTDIR')) return []
    throw error
  }
}

function look(roots: FileRoots, path: string, linked: Map<bigint, string>): Found | undefined {
  const place = placeOf(roots, path)
  let stat: BigIntStats
  try {
    stat = lstatSync(place, { bigint: true })
    const { mode, size, ino, ctimeNs, nlink } = stat
    const signed = (kind: Found['kind'], ...parts: unknown[]) =>
      [path, kind, mode, ...parts].map(String).join('\0')
    if (stat.isDirectory()) return { path, kind: 'd', stat, signature: signed('d') }
    if (stat.isSymbolicLink()) {
      const to = readlinkSync(place, { encoding: 'latin1' })
      return { path, kind: 'l', stat, to, signature: signed('l', to) }
    }
    if (!stat.isFile()) return undefined
    const to = nlink > 1n ? linked.get(ino) : undefined
    if (to !== undefined) return { path, kind: 'h', stat, to, signature: signed('h', to) }
    if (nlink > 1n) linked.set(ino, path)
    return { path, kind: 'f', stat, signature: signed('f', size, ino, ctimeNs) }
  } catch (error) {
    // Gone since its directory was read, or out of the kernel's reach.
    if (isCode(error, 'ENOENT', 'ENAMETOOLONG', 'EACCES')) return undefined
    throw error
  }
}

/** Does something with a file whose permissions are in the way, and puts them back. */
export async function withMode<T>(
  path: Buffer,
  mode: number,
  action: () => T | Promise<T>,
): Promise<T> {
  const before = lstatSync(path).mode
  chmodSync(path, before | mode)
  try {
    return await action()
  } finally {
    chmodSync(path, before)
  }
}

/** Whether a system call failed for one of these reasons. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

function byBytes(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
