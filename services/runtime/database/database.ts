import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Client,
  Pool,
  type PoolClient,
  type PoolConfig,
  type QueryResult,
  type QueryResultRow,
} from 'pg'
import { postgresTarget } from '../store-url.ts'
import { classify, type Statement } from './classify.ts'
import { defaultRouter, type DatabaseConfig, type NodeConfig } from './config.ts'
import {
  isConnectionError,
  isNeverSent,
  isReplicaConflict,
  isSerializationFailure,
  RoutingError,
} from './errors.ts'
import { laterLsn, parseLsn, type Lsn } from './lsn.ts'
import { PrimaryPositions } from './positions.ts'
import { Replica } from './replica.ts'
import { Shares } from './shares.ts'
import { storable } from './storable.ts'

/** How one query wants to be read. */
export interface QueryOptions {
  /**
   * `primary`: the newest state. `replica`: a replica, even in a transaction's context; refused for what a replica may not answer.
   * Where absent the router decides.
   */
  readonly read?: 'primary' | 'replica'
  /** A consistency token: whoever answers has replayed at least this much. */
  readonly after?: Lsn | undefined
}

/** Settings of one transaction. */
export interface TransactionOptions {
  /** @default 'READ COMMITTED' */
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE'
  /** @default false */
  readonly readOnly?: boolean
  /**
   * How often the callback is run at most, when a conflict or a lost connection ended it before its COMMIT was sent. It must then
   * touch nothing but the database. @default 1
   */
  readonly attempts?: number
}

/** Whatever runs statements: the database, a transaction, a session. */
export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>>
}

/** Numbers for gauges, read at the moment they are asked for. */
export interface DatabaseStats {
  readonly pools: { pool: string; total: number; idle: number; waiting: number }[]
  readonly replicas: { replica: string; healthy: boolean; lagSeconds: number }[]
}

type Settings = Required<Omit<DatabaseConfig, 'ca' | 'observer' | 'stableFunctions'>> &
  Pick<DatabaseConfig, 'ca' | 'observer'>

const CACHE_SIZE = 1000

/** Stands for "written, but the position could not be read": no replica ever gets there, so the primary answers. */
const unreachable: Lsn = 'FFFFFFFF/FFFFFFFF'

/** One primary and its replicas behind one `query`. Made by {@link createDatabase}. */
export class Database implements Queryable {
  readonly #config: Settings
  readonly #primary: Pool
  readonly #replicas: readonly Replica[]
  readonly #shares: Shares
  readonly #positions = new PrimaryPositions()
  readonly #open = new AsyncLocalStorage<true>()
  readonly #statements = new Map<string, Statement>()
  readonly #stable: ReadonlySet<string>
  readonly #stop = new AbortController()
  readonly #watching: Promise<void>
  #probe: Client | undefined
  #turn = 0

  constructor(config: DatabaseConfig) {
    const { primary, replicas = [], stableFunctions = [] } = config
    if (!primary.connectionString)
      throw new Error('createDatabase: primary.connectionString is not set.')
    this.#config = Object.freeze({
      router: defaultRouter,
      maxLagMs: 5000,
      probeIntervalMs: 1000,
      probesToChange: 2,
      connectTimeoutMs: 5000,
      primaryWaitMs: 15_000,
      queryTimeoutMs: 30_000,
      applicationName: 'opencode',
      ...config,
      primary: Object.freeze({ ...primary }),
      replicas: Object.freeze(
        replicas
          .filter(({ connectionString }) => Boolean(connectionString))
          .map((replica) => Object.freeze({ ...replica })),
      ),
    })
    this.#stable = new Set(stableFunctions)
    this.#primary = this.#pool({ name: 'primary', poolSize: 10, ...primary })
    this.#shares = new Shares(primary.poolSize ?? 10)
    this.#replicas = this.#config.replicas.map((node, index) =>
      this.#replica(node, node.name ?? `replica-${(index + 1).toString()}`),
    )
    this.#watching = this.#replicas.length > 0 ? this.#watch() : Promise.resolve()
  }

  /** Settles when every replica has been looked at once. Until then reads go to the primary, so nobody has to wait for it. */
  async ready(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.start(this.#positions, Date.now)))
  }

  /**
   * Runs one statement where the router, its text and its options allow.
   * @throws RoutingError for BEGIN and its like, and for `read: 'replica'` on what a replica may not answer
   */
  async query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<QueryResult<R>> {
    const statement = this.#classify(text)
    return this.#target(statement, text, options) === 'replica'
      ? this.#read<R>(text, storable(values), options.after)
      : this.#onPrimary<R>(text, storable(values), statement.primaryReason === undefined)
  }

  /** Runs the callback in one transaction on the primary: COMMIT when it returns, ROLLBACK when it throws. */
  async transaction<T>(
    run: (tx: Queryable) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const { value } = await this.#transact(run, options, false)
    return value
  }

  /** Runs work for one owner, a tenant: all such work together leaves some of the primary's connections to others. */
  as<T>(owner: string, work: () => T): T {
    return this.#shares.as(owner, work)
  }

  /**
   * A view of the database that reads what it has written: it remembers the WAL position of its last write. The token travels with
   * the client and lets it go on elsewhere.
   * @param token what an earlier session's {@link Session.token} said
   */
  session(token?: Lsn): Session {
    return new Session(this, token, (run, options) => this.#transact(run, options, true))
  }

  /** The primary's WAL position now: everything committed so far is before it. */
  async position(): Promise<Lsn | undefined> {
    const { rows } = await this.#onPrimary<{ lsn: string }>(
      'SELECT pg_current_wal_lsn()::text AS lsn',
      [],
      true,
    )
    return parseLsn(rows[0]?.lsn)
  }

  stats(): DatabaseStats {
    const row = (pool: string, { totalCount, idleCount, waitingCount }: Pool) => ({
      pool,
      total: totalCount,
      idle: idleCount,
      waiting: waitingCount,
    })
    return {
      pools: [
        row(this.#config.primary.name ?? 'primary', this.#primary),
        ...this.#replicas.map((replica) => row(replica.name, replica.pool)),
      ],
      replicas: this.#replicas.map(({ name, healthy, lagSeconds }) => ({
        replica: name,
        healthy,
        lagSeconds,
      })),
    }
  }

  /** Ends the pools when their queries are done. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#watching
    this.#probe?.end().catch(() => undefined)
    await Promise.all([this.#primary.end(), ...this.#replicas.map((replica) => replica.close())])
  }

  #classify(text: string): Statement {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    const statement = classify(text, this.#stable)
    // Statements carry parameters, so there are few; a caller that pastes values into the text must not fill the memory.
    if (this.#statements.size >= CACHE_SIZE) this.#statements.clear()
    this.#statements.set(text, statement)
    return statement
  }

  #target(statement: Statement, text: string, { read }: QueryOptions): 'primary' | 'replica' {
    if (statement.type === 'TRANSACTION')
      throw new RoutingError(`"${shorten(text)}" on a pool has no effect: use transaction().`)
    if (read === 'primary') return 'primary'
    if (statement.primaryReason !== undefined) {
      if (read !== 'replica') return 'primary'
      const why =
        statement.call === undefined
          ? statement.primaryReason
          : `calls ${statement.call}(), not known to be stable`
      throw new RoutingError(
        `a replica cannot answer "${shorten(text)}" (${why}). Leave out read: 'replica'.`,
      )
    }
    if (read === 'replica') return 'replica'
    return this.#config.router({
      type: statement.type,
      inTransaction: this.#open.getStore() === true,
      statement,
      text,
    })
  }

  /** The least loaded replica in rotation; round robin among equals. */
  #pick(tried: ReadonlySet<Replica>): Replica | undefined {
    let best: Replica | undefined
    const count = this.#replicas.length
    const start = this.#turn++
    for (let step = 0; step < count; step++) {
      const replica = this.#replicas[(start + step) % count]
      if (replica === undefined || !replica.healthy || tried.has(replica)) continue
      if (best === undefined || replica.load < best.load) best = replica
    }
    return best
  }

  async #read<R extends QueryResultRow>(
    text: string,
    values: unknown[],
    after: Lsn | undefined,
  ): Promise<QueryResult<R>> {
    const tried = new Set<Replica>()
    for (let replica = this.#pick(tried); replica !== undefined; replica = this.#pick(tried)) {
      tried.add(replica)
      try {
        const result = await replica.read<R>(text, values, after)
        if (result !== undefined) return result
      } catch (error) {
        if (isConnectionError(error)) replica.fail(error)
        else if (!isReplicaConflict(error)) throw error
      }
    }
    return this.#onPrimary<R>(text, values, true)
  }

  async #onPrimary<R extends QueryResultRow>(
    text: string,
    values: unknown[],
    repeatable: boolean,
  ): Promise<QueryResult<R>> {
    const deadline = Date.now() + this.#config.primaryWaitMs
    for (;;) {
      const { client, release } = await this.#connect(deadline)
      let broken: Error | undefined
      try {
        return await client.query<R>(text, values)
      } catch (error) {
        if (!isConnectionError(error)) throw error
        broken = error as Error
        // A write whose connection broke may have been carried out: only its caller can tell whether to repeat it.
        if ((!repeatable && !isNeverSent(error)) || Date.now() >= deadline) throw error
      } finally {
        release(broken)
      }
      await sleep(100)
    }
  }

  /** A connection to the primary. While it restarts or fails over nothing has been sent yet, so waiting is safe for every statement. */
  async #connect(
    deadline: number,
  ): Promise<{ client: PoolClient; release(broken: Error | undefined): void }> {
    // Whoever is in a transaction has a connection already: to wait for a second one until the first is given back would be for ever.
    const giveBack =
      this.#open.getStore() === true
        ? () => undefined
        : await this.#shares.take(Math.max(0, deadline - Date.now()))
    try {
      for (let pause = 25; ; pause = Math.min(pause * 2, 500)) {
        try {
          const client = await this.#primary.connect()
          const release = (broken: Error | undefined) => {
            client.release(broken)
            giveBack()
          }
          return { client, release }
        } catch (error) {
          if (!isConnectionError(error) || Date.now() + pause >= deadline) throw error
        }
        await sleep(pause)
      }
    } catch (error) {
      giveBack()
      throw error
    }
  }

  async #transact<T>(
    run: (tx: Queryable) => Promise<T>,
    options: TransactionOptions,
    position: boolean,
  ) {
    const { isolation = 'READ COMMITTED', readOnly = false, attempts = 1 } = options
    const deadline = Date.now() + this.#config.primaryWaitMs
    for (let attempt = 1; ; attempt++) {
      const { client, release } = await this.#connect(deadline)
      let broken: Error | undefined
      let committing = false
      const tx: Queryable = {
        query: (text, values = []) => client.query(text, storable(values)),
      }
      try {
        await client.query(`BEGIN ISOLATION LEVEL ${isolation}${readOnly ? ' READ ONLY' : ''}`)
        const value = await this.#open.run(true, () => run(tx))
        committing = true
        const { command } = await client.query('COMMIT')
        // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error.
        if (command === 'ROLLBACK')
          throw new Error(
            'the transaction was rolled back: a statement in it had failed and its error was ignored.',
          )
        const lsn =
          position && !readOnly ? await currentLsn(client).catch(() => unreachable) : undefined
        return { value, lsn }
      } catch (error) {
        if (isConnectionError(error)) broken = error as Error
        else if (!committing)
          await client.query('ROLLBACK').catch((failure: unknown) => {
            broken = failure as Error
          })
        // Once COMMIT is sent a lost connection leaves the outcome unknown; a serialization failure is a certain no.
        const again = isSerializationFailure(error) || (!committing && isConnectionError(error))
        if (!again || attempt >= attempts || Date.now() >= deadline) throw error
      } finally {
        release(broken)
      }
      await sleep(10 * 2 ** attempt * (0.5 + Math.random()))
    }
  }

  #pool(node: NodeConfig & { name: string }): Pool {
    const pool = new Pool({ ...this.#connection(node), max: node.poolSize ?? 10 })
    pool.on('error', (error) =>
      this.#config.observer?.connectionError?.({ pool: node.name, error }),
    )
    // The pool listens on idle connections only; a broken one that is in use would end the process. Its statement fails, which is enough.
    pool.on('connect', (client) => {
      client.on('error', () => undefined)
    })
    return pool
  }

  /** No `statement_timeout` here: PgBouncer refuses start-up parameters it does not know. */
  #connection(node: NodeConfig): PoolConfig {
    const { connectTimeoutMs, queryTimeoutMs, applicationName, ca } = this.#config
    return {
      ...postgresTarget(`the URL of ${node.name ?? 'a server'}`, node.connectionString ?? '', ca),
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      idleTimeoutMillis: 30_000,
      ...(queryTimeoutMs > 0 ? { query_timeout: queryTimeoutMs } : {}),
    }
  }

  #replica(node: NodeConfig, name: string): Replica {
    const { maxLagMs, probesToChange, probeIntervalMs, observer } = this.#config
    const probeTimeoutMs = Math.max(1000, probeIntervalMs)
    return new Replica(this.#pool({ poolSize: 20, ...node, name }), {
      name,
      maxLagMs,
      probesToChange,
      probeTimeoutMs,
      makeProbe: () =>
        new Client({
          ...this.#connection(node),
          connectionTimeoutMillis: probeTimeoutMs,
          query_timeout: probeTimeoutMs,
        }),
      onChange: (change) => observer?.replica?.(change),
    })
  }

  async #watch(): Promise<void> {
    const { probeIntervalMs } = this.#config
    const { signal } = this.#stop
    await this.#samplePrimary()
    await this.ready()
    while (!signal.aborted) {
      await sleep(probeIntervalMs, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) break
      await this.#samplePrimary()
      await Promise.all(this.#replicas.map((replica) => replica.check(this.#positions, Date.now)))
    }
  }

  /** Asks with a connection of its own: a busy pool must not look like a lagging replica. */
  async #samplePrimary(): Promise<void> {
    try {
      const probe = await this.#primaryProbe()
      const asked = Date.now()
      const lsn = await currentLsn(probe)
      if (lsn !== undefined) this.#positions.add(lsn, asked)
    } catch {
      this.#probe?.end().catch(() => undefined)
      this.#probe = undefined
    }
  }

  async #primaryProbe(): Promise<Client> {
    if (this.#probe !== undefined) return this.#probe
    const probe = new Client({
      ...this.#connection(this.#config.primary),
      connectionTimeoutMillis: 1000,
      query_timeout: 1000,
    })
    this.#probe = probe
    probe.on('error', () => {
      if (this.#probe === probe) this.#probe = undefined
    })
    await probe.connect()
    return probe
  }
}

type Transact = <T>(
  run: (tx: Queryable) => Promise<T>,
  options: TransactionOptions,
) => Promise<{ value: T; lsn: Lsn | undefined }>

/** Reads its own writes. Made by {@link Database.session}; not for use by two requests at once. */
export class Session implements Queryable {
  readonly #database: Database
  readonly #transact: Transact
  #token: Lsn | undefined

  /** @internal */
  constructor(database: Database, token: Lsn | undefined, transact: Transact) {
    this.#database = database
    this.#token = token
    this.#transact = transact
  }

  /** Carry this with the client, e.g. in a response header; `undefined` until something was written. */
  get token(): Lsn | undefined {
    return this.#token
  }

  async query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<QueryResult<R>> {
    const result = await this.#database.query<R>(text, values, {
      ...options,
      after: laterLsn(options.after, this.#token),
    })
    if (classify(text).primaryReason !== undefined) {
      this.#token = laterLsn(this.#token, await this.#database.position().catch(() => unreachable))
    }
    return result
  }

  async transaction<T>(
    run: (tx: Queryable) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const { value, lsn } = await this.#transact(run, options)
    this.#token = laterLsn(this.#token, lsn)
    return value
  }
}

/**
 * A database client with read-replica routing. A SELECT outside a transaction may go to a replica; a write, a locking read, a call of
 * a function not known to be stable and a CTE with a write never do, whatever the router says.
 * @example
 * const db = createDatabase({
 *   primary: { connectionString: process.env.DATABASE_URL, poolSize: 10 },
 *   replicas: [{ connectionString: process.env.DATABASE_REPLICA_1_URL, poolSize: 20 }],
 * })
 */
export function createDatabase(config: DatabaseConfig): Database {
  return new Database(config)
}

async function currentLsn(client: Client | PoolClient): Promise<Lsn | undefined> {
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  return parseLsn(rows[0]?.lsn)
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 80 ? `${line.slice(0, 77)}…` : line
}
