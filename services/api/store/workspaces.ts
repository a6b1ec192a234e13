import type { Database, Queryable } from '../../runtime/database/index.ts'
import { Problem } from '../../runtime/problem.ts'
import {
  frames,
  inOrder,
  readNode,
  refOf,
  readHead,
  type Ref,
  type SnapshotHead,
} from '../../protocol/workspace.ts'
import { holdTurn, type Turns } from './turns.ts'

/** Bytes of objects that one statement writes. */
const BATCH_BYTES = 2 ** 20
/** Objects that one statement writes: each takes two of PostgreSQL's 65,535 parameters. */
const BATCH_OBJECTS = 256
/** Rubbish that is not worth a collection, bytes. */
const TOLERATED = 16 * 2 ** 20
/** Stores that one round of collection looks at. */
const STORES_AT_ONCE = 10

/** What a session's files may take. */
export interface WorkspaceLimits {
  /** Bytes on a disk; also of what one turn may upload. */
  bytes: number
  /** Files, directories and links. */
  entries: number
}

/** Snapshots of sessions' files: trees of objects, of which a new snapshot stores only what its session's store lacks. */
export class Workspaces {
  readonly #database: Database
  readonly #turns: Turns
  readonly #limits: WorkspaceLimits

  constructor(database: Database, turns: Turns, limits: WorkspaceLimits) {
    this.#database = database
    this.#turns = turns
    this.#limits = limits
  }

  /** The family's newest snapshot, as frames. @returns undefined when there is none */
  async read(turnID: string): Promise<AsyncGenerator<Uint8Array> | undefined> {
    const found = await this.#find(turnID)
    if (found?.root == null) return undefined
    const { store, size, entries } = found
    const head = { root: spell(found.root), bytes: Number(size), entries: Number(entries) }
    return inOrder(head, (refs) => readObjects(this.#database, store, refs))
  }

  /**
   * Stores a snapshot as it streams in; it takes the place of the one before only when it is complete.
   * @throws Problem 413 past a limit, 409 `stale-fence`, 412 where the sandbox relies on another snapshot than the newest
   */
  async write(turnID: string, fence: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#turns.checkHeld(turnID, fence)
    const found = await this.#find(turnID)
    if (found === undefined) throw new Problem(404, `no turn "${turnID}"`)
    const { store, root } = found
    const head = await this.#store(store, root === null ? undefined : spell(root), body)
    await this.#database.transaction(async (tx) => {
      const { root_id: rootID } = await holdTurn(tx, turnID, fence)
      const { rows } = await tx.query<{ root: Buffer }>(
        'SELECT root FROM snapshots WHERE root_id = $1 FOR UPDATE',
        [rootID],
      )
      checkBase(head, rows[0] && spell(rows[0].root))
      const whole = await tx.query(
        'SELECT 1 FROM workspace_objects WHERE store_id = $1 AND ref = $2',
        [store, pack(head.root)],
      )
      if (whole.rows.length === 0) throw new Problem(400, 'the snapshot has no root')
      await tx.query(
        `INSERT INTO snapshots (root_id, store_id, root, size, entries) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (root_id) DO UPDATE SET root = excluded.root, size = excluded.size,
           entries = excluded.entries, updated_at = now()`,
        [rootID, store, pack(head.root), head.bytes, head.entries],
      )
    })
  }

  /**
   * Removes objects that no snapshot names any more, from the stores where that is worth it. Objects of the last two
   * hours stay: their snapshot may be under way.
   * @returns how many
   */
  async sweep(): Promise<number> {
    const { rows } = await this.#database.query<{ store_id: string }>(
      `SELECT store_id FROM workspace_stores s WHERE written > greatest(kept, $1)
         OR NOT EXISTS (SELECT 1 FROM snapshots w WHERE w.store_id = s.store_id)
       ORDER BY written DESC LIMIT $2`,
      [TOLERATED, STORES_AT_ONCE],
      { read: 'primary' },
    )
    let removed = 0
    for (const { store_id: store } of rows)
      removed += await this.#database.transaction((tx) => collect(tx, store))
    return removed
  }

  async #find(turnID: string) {
    const { rows } = await this.#database.query<{
      store: string
      root: Buffer | null
      size: string | null
      entries: string | null
    }>(
      `SELECT coalesce(w.store_id, t.root_id) AS store, w.root, w.size, w.entries
       FROM turns t LEFT JOIN snapshots w ON w.root_id = t.root_id WHERE t.id = $1`,
      [turnID],
      { read: 'primary' },
    )
    return rows[0]
  }

  async #store(
    store: string,
    base: Ref | undefined,
    body: AsyncIterable<Uint8Array>,
  ): Promise<SnapshotHead & { root: Ref }> {
    let head: SnapshotHead | undefined
    let written = 0
    // By name: one statement writes each object once.
    const waiting = new Map<Ref, Buffer>()
    let length = 0
    const flush = async () => {
      if (waiting.size > 0) await this.#insert(store, waiting, length)
      waiting.clear()
      length = 0
    }
    for await (const { kind, payload } of frames(body)) {
      if (kind === 'head') {
        head = readHead(payload)
        checkBase(head, base)
        this.#checkLimits(head)
        continue
      }
      if (head === undefined) throw new Problem(400, 'the snapshot has no head')
      written += payload.length
      if (written > this.#limits.bytes + TOLERATED) throw this.#tooLarge('upload', written)
      waiting.set(refOf(kind, payload), payload)
      length += payload.length
      if (length >= BATCH_BYTES || waiting.size >= BATCH_OBJECTS) await flush()
    }
    await flush()
    const root = head?.root
    if (head === undefined || root === undefined)
      throw new Problem(400, 'the snapshot ends before its root')
    return { ...head, root }
  }

  async #insert(store: string, objects: ReadonlyMap<Ref, Buffer>, bytes: number): Promise<void> {
    const rows = [...objects.keys()].map(
      (_, index) => `($1, $${(2 * index + 2).toString()}, $${(2 * index + 3).toString()})`,
    )
    const values = [...objects].flatMap(([ref, stored]) => [pack(ref), stored])
    await this.#database.transaction(async (tx) => {
      await tx.query(
        `INSERT INTO workspace_objects (store_id, ref, data) VALUES ${rows.join(', ')}
         ON CONFLICT (store_id, ref) DO UPDATE SET touched_at = now()`,
        [store, ...values],
      )
      await tx.query(
        `INSERT INTO workspace_stores (store_id, written) VALUES ($1, $2)
         ON CONFLICT (store_id) DO UPDATE SET written = workspace_stores.written + excluded.written`,
        [store, bytes],
      )
    })
  }

  #checkLimits({ bytes, entries }: SnapshotHead): void {
    if (bytes > this.#limits.bytes) throw this.#tooLarge('files', bytes)
    if (entries > this.#limits.entries)
      throw new Problem(
        413,
        `the session has ${entries.toString()} files, directories and links; ${this.#limits.entries.toString()} are the limit`,
        { type: 'workspace-too-large' },
      )
  }

  #tooLarge(what: string, bytes: number): Problem {
    return new Problem(
      413,
      `the session's ${what} take ${bytes.toString()} bytes; ${this.#limits.bytes.toString()} are the limit`,
      { type: 'workspace-too-large' },
    )
  }
}

/** Gives a forked session the files of the one it was forked from: they share what is stored. */
export async function copyWorkspace(tx: Queryable, from: string, to: string): Promise<void> {
  await tx.query(
    `INSERT INTO snapshots (root_id, store_id, root, size, entries)
     SELECT $2, store_id, root, size, entries FROM snapshots WHERE root_id = $1 FOR SHARE`,
    [from, to],
  )
}

/** What a sandbox leaves out of an upload it takes for stored: that holds for what the newest snapshot names, only. */
function checkBase({ base }: SnapshotHead, newest: Ref | undefined): void {
  if (base !== undefined && base !== newest)
    throw new Problem(412, 'the snapshot relies on one that is not the newest; send all of it', {
      type: 'stale-base',
    })
}

/** Removes what no snapshot of the store names. Its snapshots are locked meanwhile, so that none comes to name more. */
async function collect(tx: Queryable, store: string): Promise<number> {
  const { rows } = await tx.query<{ root: Buffer }>(
    'SELECT root FROM snapshots WHERE store_id = $1 FOR UPDATE',
    [store],
  )
  const named = new Set<Ref>()
  let level = rows.map(({ root }) => spell(root))
  while (level.length > 0) {
    const nodes = level.filter((ref) => ref.startsWith('n') && !named.has(ref))
    for (const ref of level) named.add(ref)
    level = []
    for (let start = 0; start < nodes.length; start += BATCH_OBJECTS)
      for (const stored of await readObjects(tx, store, nodes.slice(start, start + BATCH_OBJECTS)))
        level.push(...readNode(stored).refs)
  }
  const { rowCount } = await tx.query(
    `DELETE FROM workspace_objects WHERE store_id = $1 AND touched_at < now() - interval '2 hours'
     AND NOT ref = ANY ($2::bytea[])`,
    [store, [...named].map(pack)],
  )
  await tx.query(
    `WITH left_over AS (SELECT sum(length(data)) AS bytes FROM workspace_objects WHERE store_id = $1)
     UPDATE workspace_stores SET written = 0, kept = coalesce(left_over.bytes, 0) FROM left_over WHERE store_id = $1`,
    [store],
  )
  if (named.size === 0)
    await tx.query('DELETE FROM workspace_stores WHERE store_id = $1 AND kept = 0', [store])
  return rowCount ?? 0
}

async function readObjects(
  from: Queryable,
  store: string,
  refs: readonly Ref[],
): Promise<Buffer[]> {
  const { rows } = await from.query<{ ref: Buffer; data: Buffer }>(
    'SELECT ref, data FROM workspace_objects WHERE store_id = $1 AND ref = ANY ($2::bytea[])',
    [store, refs.map(pack)],
    { read: 'primary' },
  )
  const found = new Map(rows.map(({ ref, data }) => [spell(ref), data]))
  return refs.map((ref) => {
    const data = found.get(ref)
    if (data === undefined) throw new Error(`object ${ref} of the store ${store} is missing`)
    return data
  })
}

function pack(ref: Ref): Buffer {
  return Buffer.concat([Buffer.from(ref.slice(0, 1)), Buffer.from(ref.slice(1), 'hex')])
}

function spell(packed: Buffer): Ref {
  return packed.toString('latin1', 0, 1) + packed.toString('hex', 1)
}
