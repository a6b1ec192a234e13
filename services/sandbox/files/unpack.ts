import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import {
  frames,
  readHead,
  readNode,
  refOf,
  unseal,
  type FileEntry,
  type Frame,
  type Node,
  type Ref,
} from '../../protocol/workspace.ts'
import type { Stored } from './objects.ts'
import type { LargeFile } from './pack.ts'
import { placeOf, type FileRoots } from './roots.ts'
import { isCode } from './walk.ts'

const WRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW
const zeros = Buffer.alloc(2 ** 16)

/** A leaf that was written. */
export interface WrittenLeaf extends Stored {
  readonly paths: readonly string[]
  /** Its large files, by path. */
  readonly large: ReadonlyMap<string, LargeFile>
}

/** What was written: leaves in order, and the names of all objects. */
export interface Written {
  readonly root: Ref
  readonly leaves: readonly WrittenLeaf[]
  readonly all: ReadonlySet<Ref>
}

/**
 * Writes a snapshot's files, also of a session with another directory: a fork gets its source's.
 * @throws Error for a snapshot that is not whole, and for one whose paths lead out of the session
 */
export async function unpackFiles(
  roots: FileRoots,
  source: AsyncIterable<Uint8Array>,
): Promise<Written> {
  const writer = new Writer(roots, frames(source))
  return writer.write()
}

class Writer {
  readonly #roots: FileRoots
  readonly #frames: AsyncGenerator<Frame>
  readonly #leaves: WrittenLeaf[] = []
  readonly #all = new Set<Ref>()
  /** Directories that were made: nothing is written through a link. */
  readonly #directories = new Map<string, number>()

  constructor(roots: FileRoots, source: AsyncGenerator<Frame>) {
    this.#roots = roots
    this.#frames = source
  }

  async write(): Promise<Written> {
    for (const root of [this.#roots.workspace, this.#roots.history])
      mkdirSync(root, { recursive: true })
    const first = await this.#frames.next()
    if (first.done === true || first.value.kind !== 'head') throw new Error('no head')
    const { root } = readHead(first.value.payload)
    if (root === undefined) throw new Error('a snapshot without a root')
    await this.#node(root)
    // Last, because a directory that must not be written to could not have been filled.
    for (const [path, mode] of [...this.#directories].reverse())
      chmodSync(placeOf(this.#roots, path), mode)
    return { root, leaves: this.#leaves, all: this.#all }
  }

  async #node(ref: Ref): Promise<void> {
    const node = readNode(await this.#object(ref))
    if (node.entries === undefined) for (const below of node.refs) await this.#node(below)
    else await this.#leaf(ref, node, node.entries)
  }

  async #leaf(ref: Ref, { refs, blob }: Node, entries: readonly FileEntry[]): Promise<void> {
    const waiting = [...refs]
    const shared = blob === true ? (waiting.shift() ?? '') : undefined
    const contents = shared === undefined ? Buffer.alloc(0) : unseal(await this.#object(shared))
    const large = new Map<string, LargeFile>()
    const all = [ref, ...(shared === undefined ? [] : [shared])]
    for (const entry of entries) {
      this.#checkParent(entry.path)
      if (entry.kind !== 'f') this.#make(entry)
      else if (entry.refs === undefined) {
        const { offset = 0, size = 0 } = entry
        this.#file(entry, (fd) => {
          writeAll(fd, contents.subarray(offset, offset + size))
        })
      } else {
        const own = waiting.splice(0, entry.refs)
        const below = await this.#large(entry, own)
        large.set(entry.path, { refs: own, all: below, size: entry.size ?? 0 })
        all.push(...below)
      }
    }
    this.#leaves.push({ refs: [ref], all, paths: entries.map(({ path }) => path), large })
  }

  #make(entry: FileEntry): void {
    const place = placeOf(this.#roots, entry.path)
    if (entry.kind === 'd') {
      makeDirectory(place)
      this.#directories.set(entry.path, entry.mode ?? 0o755)
    } else if (entry.kind === 'l') symlinkSync(Buffer.from(entry.to ?? '', 'latin1'), place)
    else {
      this.#checkParent(entry.to ?? '')
      linkSync(placeOf(this.#roots, entry.to ?? ''), place)
    }
  }

  #file(entry: FileEntry, fill: (fd: number) => void): void {
    const fd = openSync(placeOf(this.#roots, entry.path), WRITE, 0o600)
    try {
      fill(fd)
      finish(fd, entry)
    } finally {
      closeSync(fd)
    }
  }

  async #large(entry: FileEntry, refs: readonly Ref[]): Promise<Ref[]> {
    const fd = openSync(placeOf(this.#roots, entry.path), WRITE, 0o600)
    const all: Ref[] = []
    let at = 0
    const take = async (ref: Ref): Promise<void> => {
      all.push(ref)
      const stored = await this.#object(ref)
      if (ref.startsWith('n')) {
        for (const below of readNode(stored).refs) await take(below)
        return
      }
      const content = unseal(stored)
      // A hole stays a hole.
      if (!isZero(content)) writeAll(fd, content, at)
      at += content.length
    }
    try {
      for (const ref of refs) await take(ref)
      ftruncateSync(fd, at)
      finish(fd, entry)
    } finally {
      closeSync(fd)
    }
    return all
  }

  async #object(ref: Ref): Promise<Buffer> {
    const { value, done } = await this.#frames.next()
    if (done === true || value.kind === 'head' || refOf(value.kind, value.payload) !== ref)
      throw new Error('the snapshot is not whole')
    this.#all.add(ref)
    return value.payload
  }

  #checkParent(path: string): void {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (parent.length > 1 && !this.#directories.has(parent))
      throw new Error('a snapshot names a path before its directory')
  }
}

function makeDirectory(place: Buffer): void {
  try {
    mkdirSync(place, 0o700)
  } catch (error) {
    if (!isCode(error, 'EEXIST') || !lstatSync(place).isDirectory()) throw error
    chmodSync(place, 0o700)
  }
}

function finish(fd: number, { mode = 0o644, mtime = 0 }: FileEntry): void {
  fchmodSync(fd, mode)
  futimesSync(fd, mtime, mtime)
}

function writeAll(fd: number, content: Buffer, position?: number): void {
  for (let done = 0; done < content.length;)
    done += writeSync(
      fd,
      content,
      done,
      content.length - done,
      position === undefined ? null : position + done,
    )
}

function isZero(content: Buffer): boolean {
  for (let at = 0; at < content.length; at += zeros.length) {
    const part = content.subarray(at, at + zeros.length)
    if (!part.equals(zeros.subarray(0, part.length))) return false
  }
  return true
}
