import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { fileRoots } from '../../../services/sandbox/files/roots.ts'
import { SessionFiles } from '../../../services/sandbox/files/session-files.ts'
import { tempDir } from './process.ts'
import {
  frames,
  inOrder,
  readHead,
  refOf,
  type Ref,
  type SnapshotHead,
} from '../../../services/protocol/workspace.ts'

/** Snapshots in memory, kept as the API keeps them. */
export class SnapshotStore {
  readonly objects = new Map<Ref, Buffer>()
  head: SnapshotHead | undefined
  /** Bytes of the last upload. */
  uploaded = 0

  /** @returns whether it was taken: not where it relies on another snapshot than the last */
  async write(upload: Uint8Array): Promise<boolean> {
    this.uploaded = upload.length
    let head: SnapshotHead | undefined
    for await (const { kind, payload } of frames(Readable.from([upload]))) {
      if (kind === 'head') head = readHead(payload)
      else this.objects.set(refOf(kind, payload), payload)
      if (head?.base !== undefined && head.base !== this.head?.root) return false
    }
    this.head = head
    return true
  }

  /** The last snapshot, as the API sends it. @throws Error when it is not whole */
  async read(): Promise<Buffer> {
    const { root, bytes, entries } = this.head ?? { bytes: 0, entries: 0 }
    if (root === undefined) throw new Error('no snapshot is whole')
    return buffer(
      Readable.from(
        inOrder({ root, bytes, entries }, (refs) =>
          Promise.resolve(
            refs.map((ref) => {
              const found = this.objects.get(ref)
              if (found === undefined) throw new Error(`object ${ref} is missing`)
              return found
            }),
          ),
        ),
      ),
    )
  }
}

function container() {
  const root = tempDir('snapshot')
  return fileRoots(join(root, 'workspace'), join(root, 'home'), join(root, 'workspace', 'session'))
}

/** A snapshot of a session with one file, as a sandbox uploads it. */
export async function snapshotOf(name: string, content: string): Promise<Buffer> {
  const roots = container()
  mkdirSync(roots.workspace, { recursive: true })
  writeFileSync(join(roots.workspace, name), content)
  return buffer(await new SessionFiles(roots).pack())
}

/** What a file holds in a snapshot, as the API sends it. */
export async function fileIn(snapshot: Uint8Array, name: string): Promise<string> {
  const roots = container()
  await new SessionFiles(roots).unpack(Readable.from([snapshot]))
  return readFileSync(join(roots.workspace, name), 'utf8')
}
