import type { Client, Pool, PoolClient, QueryResult, QueryResultRow } from 'pg'
import { isConnectionError } from './errors.ts'
import { lsnBytes, parseLsn, type Lsn } from './lsn.ts'
import type { PrimaryPositions } from './positions.ts'

/** What a {@link Replica} needs of its database. */
export interface ReplicaSettings {
  readonly name: string
  readonly maxLagMs: number
  readonly probesToChange: number
  readonly probeTimeoutMs: number
  readonly makeProbe: () => Client
  readonly onChange: (change: {
    replica: string
    healthy: boolean
    lagSeconds: number
    reason: string
  }) => void
}

/** How far one connection is known to have got. Replay never goes back on one server. */
interface Seen {
  bytes: bigint
  /** Behind a transaction pooler the next statement may reach another server: what was seen then says nothing. */
  pooled: boolean
}

const position = 'SELECT pg_last_wal_replay_lsn()::text AS lsn, pg_backend_pid() AS pid'

/** One read replica: its pool, its health and how far it has replayed. */
export class Replica {
  readonly pool: Pool
  readonly #settings: ReplicaSettings
  readonly #seen = new WeakMap<PoolClient, Seen>()
  #probe: Client | undefined
  #healthy = false
  #lagMs = 0
  #streak = 0

  constructor(pool: Pool, settings: ReplicaSettings) {
    this.pool = pool
    this.#settings = Object.freeze({ ...settings })
  }

  get name(): string {
    return this.#settings.name
  }

  get healthy(): boolean {
    return this.#healthy
  }

  /** Seconds; the last known value while the replica is away. */
  get lagSeconds(): number {
    return this.#lagMs / 1000
  }

  /** Connections in use or waited for: the next query goes where this is least. */
  get load(): number {
    return this.pool.totalCount - this.pool.idleCount + this.pool.waitingCount
  }

  /** Takes the replica out at once: a query has just failed on it. Probes bring it back. */
  fail(error: unknown): void {
    this.#streak = 0
    this.#set(false, error instanceof Error ? error.message : String(error))
  }

  /** Looks at the replica once: reachable, in recovery, not too far behind. */
  async check(positions: PrimaryPositions, now: () => number): Promise<void> {
    let problem: string | undefined
    try {
      const probe = await this.#connectProbe()
      const { rows } = await probe.query<{ recovery: boolean; lsn: string | null }>(
        'SELECT pg_is_in_recovery() AS recovery, pg_last_wal_replay_lsn()::text AS lsn',
      )
      const lsn = parseLsn(rows[0]?.lsn)
      // A promoted replica may be the losing half of a split brain: it answers nothing until it follows again.
      if (rows[0]?.recovery !== true || lsn === undefined) problem = 'is no longer a replica'
      else {
        this.#lagMs = positions.lagMs(lsn, now())
        if (this.#lagMs > this.#settings.maxLagMs)
          problem = `is ${Math.round(this.#lagMs).toString()} ms behind`
      }
    } catch (error) {
      problem = error instanceof Error ? error.message || error.name : String(error)
      this.#dropProbe()
    }
    const good = problem === undefined
    if (good === this.#healthy) {
      this.#streak = 0
      return
    }
    if (++this.#streak >= this.#settings.probesToChange) this.#set(good, problem ?? 'caught up')
  }

  /** The first look decides alone: nothing is known yet that could flap. */
  async start(positions: PrimaryPositions, now: () => number): Promise<void> {
    this.#streak = this.#settings.probesToChange - 1
    await this.check(positions, now)
  }

  /** Runs a read. `undefined` if this connection has not replayed up to `after` yet. */
  async read<R extends QueryResultRow>(
    text: string,
    values: unknown[],
    after: Lsn | undefined,
  ): Promise<QueryResult<R> | undefined> {
    if (after === undefined) return this.pool.query<R>(text, values)
    const client = await this.pool.connect()
    let broken: Error | undefined
    try {
      return await this.#readAfter<R>(client, text, values, lsnBytes(after))
    } catch (error) {
      if (isConnectionError(error)) broken = error as Error
      throw error
    } finally {
      client.release(broken)
    }
  }

  async close(): Promise<void> {
    this.#dropProbe()
    await this.pool.end()
  }

  async #readAfter<R extends QueryResultRow>(
    client: PoolClient,
    text: string,
    values: unknown[],
    after: bigint,
  ) {
    const seen = this.#seen.get(client)
    if (seen !== undefined && !seen.pooled && seen.bytes >= after)
      return client.query<R>(text, values)
    if (seen?.pooled !== true) {
      const here = await this.#look(client)
      if (here === undefined || here.bytes < after) return undefined
      if (!here.pooled) return client.query<R>(text, values)
    }
    // Only a transaction keeps a pooler from sending the check and the read to two different servers.
    await client.query('BEGIN READ ONLY')
    try {
      const { rows } = await client.query<{ lsn: string | null }>(position)
      const lsn = parseLsn(rows[0]?.lsn)
      return lsn !== undefined && lsnBytes(lsn) >= after
        ? await client.query<R>(text, values)
        : undefined
    } finally {
      await client.query('ROLLBACK').catch(() => undefined)
    }
  }

  async #look(client: PoolClient): Promise<Seen | undefined> {
    const { rows } = await client.query<{ lsn: string | null; pid: number }>(position)
    const lsn = parseLsn(rows[0]?.lsn)
    if (lsn === undefined) return undefined
    // PgBouncer makes up the process id it announces, so a different one tells that it is there.
    const announced = (client as unknown as { processID: number | null }).processID
    const seen = { bytes: lsnBytes(lsn), pooled: announced !== rows[0]?.pid }
    this.#seen.set(client, seen)
    return seen
  }

  #set(healthy: boolean, reason: string): void {
    if (healthy === this.#healthy) return
    this.#healthy = healthy
    this.#streak = 0
    this.#settings.onChange({ replica: this.name, healthy, lagSeconds: this.lagSeconds, reason })
  }

  async #connectProbe(): Promise<Client> {
    if (this.#probe !== undefined) return this.#probe
    const probe = this.#settings.makeProbe()
    this.#probe = probe
    // A client without a listener would end the process when its server goes away.
    probe.on('error', () => {
      if (this.#probe === probe) this.#probe = undefined
    })
    await probe.connect()
    return probe
  }

  #dropProbe(): void {
    this.#probe?.end().catch(() => undefined)
    this.#probe = undefined
  }
}
