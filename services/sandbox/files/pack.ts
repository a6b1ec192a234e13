import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileEntry, Node } from '../../protocol/workspace.ts'
import { chunkEnd } from './chunker.ts'
import type { Objects, Stored } from './objects.ts'
import { placeOf, type FileRoots } from './roots.ts'
import { smallFile, type Segment } from './segments.ts'
import { isCode, withMode, type Found } from './walk.ts'

/** What is read of a large file at once, bytes. */
const PIECE = 4 * 2 ** 20
/** Never follows a link, never waits for a pipe's other end. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** A large file as it is stored. */
export interface LargeFile extends Stored {
  /** Bytes. */
  readonly size: number
}

/** Large files that are stored already, by their signature. */
export type LargeFiles = Map<string, LargeFile>

/**
 * Makes a segment's leaf.
 * @param before - Large files of the snapshot before.
 * @param now - Gets those of this one.
 */
export async function packSegment(
  roots: FileRoots,
  { entries }: Segment,
  objects: Objects,
  before: LargeFiles,
  now: LargeFiles,
): Promise<Stored> {
  const described: FileEntry[] = []
  const refs: string[] = []
  const all: string[] = []
  const blob: Buffer[] = []
  let offset = 0
  for (const found of entries) {
    const common = commonOf(found)
    if (found.kind !== 'f') {
      described.push(common)
      continue
    }
    if (found.stat.size <= smallFile) {
      const content = await contentOf(placeOf(roots, found.path))
      if (content === undefined) continue
      described.push({ ...common, size: content.length, offset })
      blob.push(content)
      offset += content.length
      continue
    }
    const large =
      before.get(found.signature) ?? (await packLarge(placeOf(roots, found.path), objects))
    if (large === undefined) continue
    now.set(found.signature, large)
    objects.keep(large.all)
    described.push({ ...common, size: large.size, refs: large.refs.length })
    refs.push(...large.refs)
    all.push(...large.all)
  }
  const isBlob = offset > 0
  if (isBlob) refs.unshift(await objects.chunk(Buffer.concat(blob)))
  const node: Node = { refs, entries: described, ...(isBlob ? { blob: true } : {}) }
  const ref = await objects.node(node)
  return { refs: [ref], all: [ref, ...(isBlob ? refs.slice(0, 1) : []), ...all] }
}

function commonOf({ path, kind, stat, to }: Found): FileEntry {
  const mode = Number(stat.mode) & 0o7777
  if (kind === 'd') return { path, kind, mode }
  if (kind === 'f') return { path, kind, mode, mtime: Number(stat.mtimeNs) / 1e9 }
  return { path, kind, to: to ?? '' }
}

/** A small file's content, whatever it is now; undefined when it has gone. Synchronous: thousands of waits cost more than the reads. */
async function contentOf(place: Buffer): Promise<Buffer | undefined> {
  const fd = await opened(() => openSync(place, READ), place)
  if (fd === undefined) return undefined
  try {
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

async function packLarge(place: Buffer, objects: Objects): Promise<LargeFile | undefined> {
  const file = await opened(() => open(place, READ), place)
  if (file === undefined) return undefined
  try {
    const refs: string[] = []
    let size = 0
    let rest = Buffer.alloc(0)
    for (let isLast = false; !isLast;) {
      const piece = Buffer.allocUnsafe(PIECE)
      const { bytesRead } = await file.read(piece, 0, PIECE)
      isLast = bytesRead === 0
      size += bytesRead
      const data = Buffer.concat([rest, piece.subarray(0, bytesRead)])
      const chunks: Buffer[] = []
      let from = 0
      while (from < data.length) {
        const end = chunkEnd(data, from, isLast)
        if (end === undefined) break
        chunks.push(data.subarray(from, end))
        from = end
      }
      rest = data.subarray(from)
      refs.push(...(await Promise.all(chunks.map((chunk) => objects.chunk(chunk)))))
    }
    return { ...(await objects.gather(refs)), size }
  } finally {
    await file.close()
  }
}

/** Opens a file, also one that its owner may not read. @returns undefined when it has gone */
async function opened<T>(action: () => T | Promise<T>, place: Buffer): Promise<T | undefined> {
  try {
    return await action()
  } catch (error) {
    if (isCode(error, 'EACCES')) return await withMode(place, 0o400, action)
    if (isCode(error, 'ENOENT', 'ELOOP', 'ENXIO')) return undefined
    throw error
  }
}
