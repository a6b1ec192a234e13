import { createHash } from 'node:crypto'
import { PassThrough, type Readable } from 'node:stream'
import { once } from 'node:events'
import { frame, type Ref, type SnapshotHead } from '../../protocol/workspace.ts'
import { Objects, type Stored } from './objects.ts'
import { packSegment, type LargeFile, type LargeFiles } from './pack.ts'
import type { FileRoots } from './roots.ts'
import { segmentsOf, type Segment } from './segments.ts'
import { unpackFiles } from './unpack.ts'
import { walk, type Found } from './walk.ts'

/** What of a snapshot need not be read again. */
interface Remembered {
  /** Its root; undefined where nothing is stored. */
  root: Ref | undefined
  /** Objects that the session's store has. */
  all: ReadonlySet<Ref>
  /** Leaves by their segment's signature. */
  leaves: ReadonlyMap<string, Stored>
  large: LargeFiles
}

const nothing: Remembered = {
  root: undefined,
  all: new Set(),
  leaves: new Map(),
  large: new Map(),
}

/** What the last look at the files has shown. */
interface Look {
  segments: Segment[]
  bytes: number
  entries: number
  digest: string
}

/** A session's files in its sandbox: knows what of them is stored, so that a snapshot costs what has changed. */
export class SessionFiles {
  readonly #roots: FileRoots
  #stored: Remembered = nothing
  /** What {@link pack} has sent and nobody has said to be stored yet. */
  #sent: Remembered | undefined
  #look: Look | undefined

  constructor(roots: FileRoots) {
    this.#roots = roots
  }

  /** Looks at every file's name and state, not at contents. @returns a digest that changes whenever one does */
  async look(): Promise<string> {
    this.#look = await this.#walk()
    return this.#look.digest
  }

  /**
   * A snapshot of the files as frames: those objects that the store lacks. Nothing must be running that could change the
   * files. The stream fails when reading does, so that half a snapshot never passes for a whole one.
   * @param isWhole - Whether to send everything, because the store has another snapshot than this knows.
   */
  async pack(isWhole = false): Promise<Readable> {
    if (isWhole) this.#stored = nothing
    const look = this.#look ?? (await this.#walk())
    this.#look = undefined
    const out = new PassThrough({ highWaterMark: 4 * 2 ** 20 })
    this.#send(look, out).then(
      () => out.end(),
      (error: unknown) => out.destroy(error as Error),
    )
    return out
  }

  /** Says that the last snapshot is stored. */
  stored(): void {
    if (this.#sent !== undefined) this.#stored = this.#sent
    this.#sent = undefined
  }

  /** Writes a snapshot's files, and remembers that they are stored. */
  async unpack(source: AsyncIterable<Uint8Array>): Promise<void> {
    const { leaves, all, root } = await unpackFiles(this.#roots, source)
    const { segments } = await this.#walk()
    const large = new Map<string, LargeFile>()
    const known = new Map<string, Stored>()
    const written = new Map(leaves.map((leaf) => [leaf.paths[0], leaf]))
    for (const { entries, signature } of segments) {
      const leaf = written.get(entries[0]?.path)
      // A leaf with other files beside those of the snapshot is read once more.
      if (leaf?.paths.length !== entries.length) continue
      if (!entries.every(({ path }, at) => leaf.paths[at] === path)) continue
      known.set(signature, leaf)
      for (const entry of entries) {
        const file = leaf.large.get(entry.path)
        if (file !== undefined) large.set(entry.signature, file)
      }
    }
    this.#stored = { root, all, leaves: known, large }
  }

  async #walk(): Promise<Look> {
    const found = await walk(this.#roots)
    const segments = [...segmentsOf(found)]
    const hash = createHash('sha256')
    for (const { signature } of segments) hash.update(signature)
    const bytes = found.reduce((sum, entry) => sum + sizeOf(entry), 0)
    return { segments, bytes, entries: found.length, digest: hash.digest('hex') }
  }

  async #send({ segments, bytes, entries }: Look, out: PassThrough): Promise<void> {
    const signal = closed(out)
    let sent: Promise<void> = Promise.resolve()
    const send = (part: Buffer): Promise<void> => (sent = sent.then(() => write(out, part, signal)))
    const { root: base, leaves: before, large: largeBefore, all } = this.#stored
    const head: SnapshotHead = { ...(base === undefined ? {} : { base }), bytes, entries }
    await send(headFrame(head))
    const objects = new Objects(all, send)
    const leaves = new Map<string, Stored>()
    const large: LargeFiles = new Map()
    const refs: Ref[] = []
    for (const segment of segments) {
      const known = before.get(segment.signature)
      const leaf = known ?? (await packSegment(this.#roots, segment, objects, largeBefore, large))
      if (known !== undefined) {
        objects.keep(known.all)
        for (const { signature } of segment.entries) {
          const file = largeBefore.get(signature)
          if (file !== undefined) large.set(signature, file)
        }
      }
      leaves.set(segment.signature, leaf)
      refs.push(...leaf.refs)
    }
    const root = await objects.node({ refs: [...(await objects.gather(refs)).refs] })
    this.#sent = { root, all: objects.made, leaves, large }
    await send(headFrame({ ...head, root }))
  }
}

function headFrame(head: SnapshotHead): Buffer {
  return frame('head', Buffer.from(JSON.stringify(head)))
}

/** What a file takes on a disk, bytes: a hole takes nothing. */
function sizeOf({ kind, stat }: Found): number {
  return kind === 'f' ? Math.min(Number(stat.size), Number(stat.blocks) * 512) : 0
}

async function write(out: PassThrough, part: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!out.write(part)) await once(out, 'drain', { signal })
}

/** Aborts when nobody takes the snapshot any more. */
function closed(out: PassThrough): AbortSignal {
  const controller = new AbortController()
  out.once('close', () => {
    controller.abort()
  })
  return controller.signal
}
