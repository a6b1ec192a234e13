import type { Database, Queryable } from '../../runtime/database/index.ts'
import { again } from './again.ts'
import { over } from './turn-status.ts'
import { holdTurn } from './turns.ts'

/** A sandbox that a session family has. */
export interface StoredSandbox {
  uid: string
  name: string
  address: string
  root_id: string
  tenant: string
  status: 'awake' | 'ending'
  fence: string
  turn_id: string | null
}

/** A sandbox with the fence of a new ticket. */
export interface Granted {
  uid: string
  address: string
  fence: number
}

/** When sandboxes have to end, seconds; and how many may be awake, 0 for any number. */
export interface SandboxLimits {
  idleSeconds: number
  maxAgeSeconds: number
  maxAwake: number
}

/** Keys of advisory locks: any numbers, the same in every version. */
const LEADER = 7_160_405
const CLAIMS = 7_160_406

const columns = 'uid, name, address, root_id, tenant, status, fence, turn_id'

/** All statements on sandboxes. Rows decide; pods follow. */
export class Sandboxes {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** A new ticket's fence for the family's sandbox. @returns undefined when it has none. @throws Problem 409 `stale-fence` */
  async grant(turnID: string, fence: number): Promise<Granted | undefined> {
    return this.#database.transaction(async (tx) => {
      const { root_id: rootID } = await holdTurn(tx, turnID, fence)
      return raiseFence(tx, rootID, turnID)
    }, again)
  }

  /**
   * Gives a pod to the turn's family, before the pod itself hears of it.
   * @returns undefined when the pod is somebody's, or too many are awake.
   * @throws Problem 409 `stale-fence`
   */
  async claim(
    turnID: string,
    fence: number,
    pod: { uid: string; name: string; address: string },
    maxAwake: number,
  ): Promise<Granted | undefined> {
    return this.#database.transaction(async (tx) => {
      // Counting and taking are one step.
      if (maxAwake > 0) await tx.query('SELECT pg_advisory_xact_lock($1)', [CLAIMS])
      const { root_id: rootID, tenant } = await holdTurn(tx, turnID, fence)
      if (maxAwake > 0 && (await countAwake(tx)) >= maxAwake) return undefined
      await tx.query(
        `INSERT INTO sandboxes (uid, name, address, root_id, tenant, status)
         VALUES ($1, $2, $3, $4, $5, 'awake') ON CONFLICT DO NOTHING`,
        [pod.uid, pod.name, pod.address, rootID, tenant],
      )
      const granted = await raiseFence(tx, rootID, turnID)
      return granted?.uid === pod.uid ? granted : undefined
    }, again)
  }

  /** Forgets a claim whose pod could not be taken, or a sandbox whose pod is gone. */
  async remove(uid: string, tx: Queryable = this.#database): Promise<void> {
    await tx.query('DELETE FROM sandboxes WHERE uid = $1', [uid])
  }

  /** The turn's sandbox, whose end its worker asks for. @throws Problem 409 `stale-fence` */
  async beginEnd(turnID: string, fence: number, uid: string): Promise<StoredSandbox | undefined> {
    return this.#database.transaction(async (tx) => {
      const { root_id: rootID } = await holdTurn(tx, turnID, fence)
      const { rows } = await tx.query<StoredSandbox>(
        `UPDATE sandboxes SET status = 'ending' WHERE uid = $1 AND root_id = $2 RETURNING ${columns}`,
        [uid, rootID],
      )
      return rows[0]
    }, again)
  }

  /** Counts a sandbox that the turn has ended from within, where it has. @returns how many those are now */
  async countLoss(turnID: string, isFromWithin: boolean): Promise<number> {
    const { rows } = await this.#database.query<{ sandbox_losses: number }>(
      'UPDATE turns SET sandbox_losses = sandbox_losses + $2 WHERE id = $1 RETURNING sandbox_losses',
      [turnID, isFromWithin ? 1 : 0],
    )
    return rows[0]?.sandbox_losses ?? 0
  }

  /** Ends the sandbox that has waited for the longest time. @returns whether there was one */
  async endIdlest(): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      `UPDATE sandboxes SET status = 'ending' WHERE uid = (SELECT uid FROM sandboxes
         WHERE status = 'awake' AND turn_id IS NULL ORDER BY used_at LIMIT 1 FOR UPDATE SKIP LOCKED)`,
    )
    return (rowCount ?? 0) > 0
  }

  /** Marks what has to end: idle for too long, too old, of deleted sessions, and the least recently used past the limit. */
  async markDue(
    tx: Queryable,
    { idleSeconds, maxAgeSeconds, maxAwake }: SandboxLimits,
  ): Promise<void> {
    // Of a turn that ended without its worker: the engine may still be at it.
    await tx.query(
      `UPDATE sandboxes SET status = 'ending', turn_id = NULL WHERE turn_id IN (SELECT id FROM turns
         WHERE id = turn_id AND status IN ${over})`,
    )
    await tx.query(
      `UPDATE sandboxes SET status = 'ending' WHERE status = 'awake' AND turn_id IS NULL
       AND (used_at < now() - make_interval(secs => $1) OR claimed_at < now() - make_interval(secs => $2)
         OR root_id IN (SELECT id FROM sessions WHERE deleted_at IS NOT NULL AND id = root_id))`,
      [idleSeconds, maxAgeSeconds],
    )
    const surplus = maxAwake > 0 ? (await countAwake(tx)) - maxAwake : 0
    if (surplus > 0)
      await tx.query(
        `UPDATE sandboxes SET status = 'ending' WHERE uid IN (SELECT uid FROM sandboxes
           WHERE status = 'awake' AND turn_id IS NULL ORDER BY used_at LIMIT $1 FOR UPDATE SKIP LOCKED)`,
        [surplus],
      )
  }

  /** All rows, with the age of the claim in seconds. */
  async list(tx: Queryable = this.#database): Promise<(StoredSandbox & { age: number })[]> {
    const { rows } = await tx.query<StoredSandbox & { age: number }>(
      `SELECT ${columns}, extract(epoch FROM now() - claimed_at)::float8 AS age FROM sandboxes`,
      [],
      { read: 'primary' },
    )
    return rows
  }

  /** Runs one round of the leader's work, in the one process that gets to do it. @returns whether that was this one */
  async lead(round: (tx: Queryable) => Promise<void>): Promise<boolean> {
    return this.#database.transaction(async (tx) => {
      const { rows } = await tx.query<{ won: boolean }>(
        'SELECT pg_try_advisory_xact_lock($1) AS won',
        [LEADER],
      )
      if (rows[0]?.won !== true) return false
      await round(tx)
      return true
    })
  }
}

/** Lets the family's sandbox wait for its next turn, or sends it to its end, in the transaction that ends the turn. */
export async function releaseSandbox(
  tx: Queryable,
  turnID: string,
  isKept: boolean,
): Promise<void> {
  await tx.query(
    `UPDATE sandboxes SET turn_id = NULL, used_at = now(),
       status = CASE WHEN $2 THEN status ELSE 'ending' END WHERE turn_id = $1`,
    [turnID, isKept],
  )
}

async function raiseFence(
  tx: Queryable,
  rootID: string,
  turnID: string,
): Promise<Granted | undefined> {
  const { rows } = await tx.query<{ uid: string; address: string; fence: string }>(
    `UPDATE sandboxes SET fence = fence + 1, turn_id = $2, used_at = now()
     WHERE root_id = $1 AND status = 'awake' RETURNING uid, address, fence`,
    [rootID, turnID],
  )
  return rows[0] && { ...rows[0], fence: Number(rows[0].fence) }
}

async function countAwake(tx: Queryable): Promise<number> {
  const { rows } = await tx.query<{ awake: string }>(
    `SELECT count(*) AS awake FROM sandboxes WHERE status = 'awake'`,
  )
  return Number(rows[0]?.awake ?? 0)
}
