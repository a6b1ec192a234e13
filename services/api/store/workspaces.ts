import { randomUUID } from 'node:crypto'
import type { Database, Queryable } from '../../runtime/database/index.ts'
import { Problem } from '../../runtime/problem.ts'
import { holdTurn, type Turns } from './turns.ts'

const CHUNK = 2 ** 20

/** Snapshots of sessions' files, in pieces of 1 MiB. */
export class Workspaces {
  readonly #database: Database
  readonly #turns: Turns
  readonly #maxBytes: number

  constructor(database: Database, turns: Turns, maxBytes: number) {
    this.#database = database
    this.#turns = turns
    this.#maxBytes = maxBytes
  }

  /** The family's newest snapshot. @returns undefined when there is none. */
  async read(
    turnID: string,
  ): Promise<{ size: number; chunks: AsyncGenerator<Uint8Array> } | undefined> {
    const { rows } = await this.#database.query<{ version: string; size: string }>(
      'SELECT w.version, w.size FROM workspaces w JOIN turns t ON t.root_id = w.root_id WHERE t.id = $1',
      [turnID],
      { read: 'primary' },
    )
    const found = rows[0]
    return found && { size: Number(found.size), chunks: this.#chunks(found.version) }
  }

  /**
   * Stores a snapshot as it streams in; it takes the place of the one before only when it is complete.
   * @throws Problem 413 past the limit, 409 `stale-fence`
   */
  async write(turnID: string, fence: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#turns.checkHeld(turnID, fence)
    const version = randomUUID()
    try {
      const size = await this.#store(version, body)
      const old = await this.#database.transaction(async (tx) => {
        const { root_id: rootID } = await holdTurn(tx, turnID, fence)
        const before = await tx.query<{ version: string }>(
          'SELECT version FROM workspaces WHERE root_id = $1 FOR UPDATE',
          [rootID],
        )
        await tx.query(
          `INSERT INTO workspaces (root_id, version, size) VALUES ($1, $2, $3)
           ON CONFLICT (root_id) DO UPDATE SET version = excluded.version, size = excluded.size, updated_at = now()`,
          [rootID, version, size],
        )
        return before.rows[0]?.version
      })
      if (old !== undefined) await this.#drop(old)
    } catch (error) {
      await this.#drop(version).catch(() => undefined)
      throw error
    }
  }

  /** Removes pieces that no snapshot names: what a crash in the middle of an upload left. @returns how many */
  async sweep(): Promise<number> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM workspace_chunks c WHERE created_at < now() - interval '2 hours'
       AND NOT EXISTS (SELECT 1 FROM workspaces w WHERE w.version = c.version)`,
    )
    return rowCount ?? 0
  }

  async #store(version: string, body: AsyncIterable<Uint8Array>): Promise<number> {
    let size = 0
    let number = 0
    let waiting: Uint8Array[] = []
    let length = 0
    const flush = async () => {
      const data = Buffer.concat(waiting)
      waiting = []
      length = 0
      await this.#database.query(
        'INSERT INTO workspace_chunks (version, number, data) VALUES ($1, $2, $3)',
        [version, number++, data],
      )
    }
    for await (const piece of body) {
      size += piece.length
      if (size > this.#maxBytes) {
        throw new Problem(
          413,
          `the compressed files are larger than ${this.#maxBytes.toString()} bytes, the limit of a session`,
          { type: 'workspace-too-large' },
        )
      }
      waiting.push(piece)
      length += piece.length
      if (length >= CHUNK) await flush()
    }
    if (length > 0) await flush()
    return size
  }

  async *#chunks(version: string): AsyncGenerator<Uint8Array> {
    for (let number = 0; ; number++) {
      const { rows } = await this.#database.query<{ data: Buffer }>(
        'SELECT data FROM workspace_chunks WHERE version = $1 AND number = $2',
        [version, number],
        { read: 'primary' },
      )
      if (rows[0] === undefined) return
      yield rows[0].data
    }
  }

  async #drop(version: string): Promise<void> {
    await this.#database.query('DELETE FROM workspace_chunks WHERE version = $1', [version])
  }
}

/** Gives a forked session the files of the one it was forked from. */
export async function copyWorkspace(tx: Queryable, from: string, to: string): Promise<void> {
  const { rows } = await tx.query<{ version: string; size: string }>(
    'SELECT version, size FROM workspaces WHERE root_id = $1 FOR SHARE',
    [from],
  )
  if (rows[0] === undefined) return
  const version = randomUUID()
  await tx.query(
    `INSERT INTO workspace_chunks (version, number, data)
     SELECT $1, number, data FROM workspace_chunks WHERE version = $2`,
    [version, rows[0].version],
  )
  await tx.query('INSERT INTO workspaces (root_id, version, size) VALUES ($1, $2, $3)', [
    to,
    version,
    rows[0].size,
  ])
}
