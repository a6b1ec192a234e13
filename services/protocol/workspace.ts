import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { deflateRaw, inflateRawSync } from 'node:zlib'
import { z } from 'zod'

/*
 * How a session's files are kept: a tree of objects, each named by the hash of its stored bytes, so that a snapshot
 * stores only what the one before it did not have. Chunks hold contents, nodes name other objects and describe files.
 */

/** Largest object as it is stored, bytes. */
export const objectLimit = 2 * 2 ** 20
/** Largest object unpacked, bytes: what a hostile deflate stream may grow to. */
const CONTENT_LIMIT = 16 * 2 ** 20
/** Deepest nesting of nodes: ten levels of two references each would do for any store. */
const DEPTH_LIMIT = 24
/** Objects that are read ahead at once: 16 of at most half a mebibyte. */
const READ_AHEAD = 16

/** Bytes of an object that say whether deflating it is worth it. */
const SAMPLE = 4 * 2 ** 10

const RAW = 0
const DEFLATED = 1

/** Names an object: `n` for a node or `c` for a chunk, then 160 bits of the SHA-256 of its stored bytes, hex. */
export type Ref = string

/** Something that no sandbox of ours makes: a broken object, or an attacker's. */
export class BadSnapshot extends Error {
  override readonly name = 'BadSnapshot'
}

const ref = z.string().regex(/^[nc][0-9a-f]{40}$/)

/** What a snapshot is, as the sandbox says: the first frame of an upload, still without its root, and the last. */
export const snapshotHead = z.object({
  /** The node that leads to everything. */
  root: ref.optional(),
  /** Root of the snapshot whose objects an upload leaves out; absent where it leaves out none. */
  base: ref.optional(),
  /** Bytes that the files take on a disk. */
  bytes: z.number().int().nonnegative(),
  /** Files, directories and links. */
  entries: z.number().int().nonnegative(),
})

/** A file, directory or link. Names are bytes, spelt as Latin-1. */
export const fileEntry = z.object({
  /** Path below the root that its first letter names: `w/` the workspace, `h/` the engine's record of earlier states. */
  path: z.string().min(2).max(8_192),
  /** `d`irectory, `f`ile, `l`ink, or `h`ard link to an earlier entry. */
  kind: z.enum(['d', 'f', 'l', 'h']),
  /** Permissions. */
  mode: z.number().int().min(0).max(0o7777).optional(),
  /** Time of modification, s. */
  mtime: z.number().optional(),
  /** Bytes of a file. */
  size: z.number().int().nonnegative().optional(),
  /** Where in the leaf's first chunk a small file stands. */
  offset: z.number().int().nonnegative().optional(),
  /** How many of the leaf's next references hold a large file. */
  refs: z.number().int().nonnegative().optional(),
  /** What a link names. */
  to: z.string().max(8_192).optional(),
})

/** A node: a leaf has entries, any other only names further objects. */
export const node = z.object({
  refs: z.array(ref).max(4_096),
  entries: z.array(fileEntry).max(4_096).optional(),
  /** Whether the first reference holds the contents of the leaf's small files. */
  blob: z.boolean().optional(),
})

/** A checked {@link snapshotHead}. */
export type SnapshotHead = z.infer<typeof snapshotHead>
/** A checked {@link fileEntry}. */
export type FileEntry = z.infer<typeof fileEntry>
/** A checked {@link node}. */
export type Node = z.infer<typeof node>

/** One piece of a transfer. */
export interface Frame {
  kind: 'head' | 'node' | 'chunk'
  payload: Buffer
}

const kinds = ['head', 'node', 'chunk'] as const

const deflate = promisify(deflateRaw)

/** An object's bytes as they are stored: deflated where that saves a tenth at least. */
export async function seal(content: Buffer): Promise<Buffer> {
  const packed = (await isWorthIt(content)) ? await deflate(content, { level: 1 }) : content
  const isSmaller = packed.length < content.length * 0.9
  return Buffer.concat([Buffer.of(isSmaller ? DEFLATED : RAW), isSmaller ? packed : content])
}

/** Tries a sample first: deflating what is compressed already takes most of a snapshot's time and saves nothing. */
async function isWorthIt(content: Buffer): Promise<boolean> {
  if (content.length <= 4 * SAMPLE) return true
  const middle = content.subarray(content.length >> 1).subarray(0, SAMPLE)
  return (await deflate(middle, { level: 1 })).length < SAMPLE * 0.95
}

/** The opposite of {@link seal}. @throws BadSnapshot for what it never made */
export function unseal(stored: Buffer): Buffer {
  const content = stored.subarray(1)
  if (stored[0] === RAW) return content
  if (stored[0] !== DEFLATED)
    throw new BadSnapshot(`an object begins with ${String(stored[0])}, which names no encoding`)
  try {
    return inflateRawSync(content, { maxOutputLength: CONTENT_LIMIT })
  } catch (cause) {
    throw new BadSnapshot('an object cannot be inflated', { cause })
  }
}

/** Names an object by what is stored of it. */
export function refOf(kind: 'node' | 'chunk', stored: Buffer): Ref {
  return `${kind === 'node' ? 'n' : 'c'}${createHash('sha256').update(stored).digest('hex').slice(0, 40)}`
}

/** Reads a stored node. @throws BadSnapshot when it is none */
export function readNode(stored: Buffer): Node {
  return read(node, unseal(stored), 'a node')
}

/** Reads a head. @throws BadSnapshot when it is none */
export function readHead(payload: Buffer): SnapshotHead {
  return read(snapshotHead, payload, 'a head')
}

function read<S extends z.ZodType>(schema: S, content: Buffer, what: string): z.infer<S> {
  let value: unknown
  try {
    value = JSON.parse(content.toString())
  } catch {
    // The parser's own message would quote names of files.
    throw new BadSnapshot(`${what} of a snapshot is not JSON`)
  }
  const checked = schema.safeParse(value)
  if (!checked.success) throw new BadSnapshot(`${what} of a snapshot has no known form`)
  return checked.data
}

/** A frame's bytes: its kind, its length, its payload. */
export function frame(kind: Frame['kind'], payload: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(kinds.indexOf(kind))
  head.writeUInt32BE(payload.length, 1)
  return Buffer.concat([head, payload])
}

/** The frames of a stream. @throws BadSnapshot for one that is too large, of no known kind, or cut off */
export async function* frames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let waiting: Uint8Array[] = []
  let length = 0
  let wanted = 5
  for await (const piece of source) {
    waiting.push(piece)
    length += piece.length
    while (length >= wanted) {
      const all = waiting.length === 1 ? asBuffer(waiting[0]) : Buffer.concat(waiting)
      const kind = kinds[all.readUInt8()]
      const size = all.readUInt32BE(1)
      if (kind === undefined || size > objectLimit)
        throw new BadSnapshot(
          `a frame of kind ${all.readUInt8().toString()} and ${size.toString()} bytes`,
        )
      wanted = 5 + size
      waiting = [all]
      if (length < wanted) break
      yield { kind, payload: all.subarray(5, wanted) }
      waiting = [all.subarray(wanted)]
      length -= wanted
      wanted = 5
    }
  }
  if (length > 0) throw new BadSnapshot('the stream ends in the middle of a frame')
}

function asBuffer(bytes: Uint8Array | undefined): Buffer {
  return bytes === undefined
    ? Buffer.alloc(0)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * A snapshot as frames in the order in which a sandbox takes it: the head, then each node before what it names.
 * @param get - Reads stored objects, in the order asked for. @throws what it throws where one is missing
 */
export async function* inOrder(
  head: SnapshotHead & { root: Ref },
  get: (refs: Ref[]) => Promise<Buffer[]>,
): AsyncGenerator<Buffer> {
  yield frame('head', Buffer.from(JSON.stringify(head)))
  yield* below([head.root], 0, get)
}

async function* below(
  refs: Ref[],
  depth: number,
  get: (refs: Ref[]) => Promise<Buffer[]>,
): AsyncGenerator<Buffer> {
  if (depth > DEPTH_LIMIT) throw new BadSnapshot('the nodes of a snapshot are nested too deep')
  const parts = (start: number) => refs.slice(start, start + READ_AHEAD)
  let next = refs.length > 0 ? get(parts(0)) : undefined
  for (let start = 0; next !== undefined; start += READ_AHEAD) {
    const objects = await next
    next = start + READ_AHEAD < refs.length ? get(parts(start + READ_AHEAD)) : undefined
    // Read ahead while these are on their way; a failure shows when it is their turn.
    next?.catch(() => undefined)
    for (const [index, stored] of objects.entries()) {
      const isNode = refs[start + index]?.startsWith('n') === true
      yield frame(isNode ? 'node' : 'chunk', stored)
      if (isNode) yield* below(readNode(stored).refs, depth + 1, get)
    }
  }
}
