import { frame, refOf, seal, type Node, type Ref } from '../../protocol/workspace.ts'

/** Most references that stand for a file in its leaf, or for all leaves. */
const FEW = 4
/** One reference in 64 ends a node, so that a change moves only the ends near it. */
const ENDS = 63
/** Most references of one such node, whatever they are. */
const MOST = 512

/** What is stored for a leaf or a file: its references, and all objects below them. */
export interface Stored {
  readonly refs: readonly Ref[]
  readonly all: readonly Ref[]
}

/** Makes objects, and passes on those that the session's store lacks. */
export class Objects {
  /** Those of the new snapshot. */
  readonly made = new Set<Ref>()
  readonly #known: ReadonlySet<Ref>
  readonly #send: (bytes: Buffer) => Promise<void>

  constructor(known: ReadonlySet<Ref>, send: (bytes: Buffer) => Promise<void>) {
    this.#known = known
    this.#send = send
  }

  chunk(content: Buffer): Promise<Ref> {
    return this.#put('chunk', content)
  }

  node(content: Node): Promise<Ref> {
    return this.#put('node', Buffer.from(JSON.stringify(content)))
  }

  /** Says that these are part of the new snapshot too. */
  keep(refs: Iterable<Ref>): void {
    for (const ref of refs) this.made.add(ref)
  }

  /** Puts nodes over these references until few are left. */
  async gather(refs: readonly Ref[]): Promise<Stored> {
    const all: Ref[] = [...refs]
    let level = refs
    while (level.length > FEW) {
      const above: Ref[] = []
      for (const group of groupsOf(level)) above.push(await this.node({ refs: group }))
      all.push(...above)
      level = above
    }
    return { refs: level, all }
  }

  async #put(kind: 'node' | 'chunk', content: Buffer): Promise<Ref> {
    const stored = await seal(content)
    const ref = refOf(kind, stored)
    const isNew = !this.#known.has(ref) && !this.made.has(ref)
    this.made.add(ref)
    if (isNew) await this.#send(frame(kind, stored))
    return ref
  }
}

function* groupsOf(refs: readonly Ref[]): Generator<Ref[]> {
  let group: Ref[] = []
  for (const ref of refs) {
    group.push(ref)
    // Two at least, so that each level is half as long as the one below.
    const isEnd = group.length > 1 && (Number.parseInt(ref.slice(-2), 16) & ENDS) === 0
    if (!isEnd && group.length < MOST) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
