import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  createDatabase,
  RoutingError,
  type Database,
  type DatabaseConfig,
  type RoutedQuery,
} from '../../services/runtime/database/index.ts'
import { stableFunctions } from '../../services/runtime/database/stable-functions.ts'
import { startPostgres, type PostgresCluster, type PostgresServer } from './support/postgres.ts'
import { until } from './support/until.ts'

let cluster: PostgresCluster
let primary: PostgresServer
let first: PostgresServer
let second: PostgresServer
const opened: Database[] = []

/** Says which server answered; a column, not a call, so that the text is a plain SELECT. */
const whoAnswers = `SELECT current_setting('port')::int AS port FROM marker`

async function open(overrides: Partial<DatabaseConfig> = {}): Promise<Database> {
  const database = createDatabase({
    primary: { connectionString: primary.url, poolSize: 10 },
    replicas: [
      { connectionString: first.url, poolSize: 20 },
      { connectionString: second.url, poolSize: 20 },
    ],
    probeIntervalMs: 100,
    ...overrides,
  })
  opened.push(database)
  const want = overrides.replicas?.length ?? 2
  await until(
    () => healthyNames(database).length === want,
    undefined,
    () => JSON.stringify(database.stats()),
  )
  return database
}

async function portsOf(database: Database, count = 8): Promise<Set<number>> {
  const ports = new Set<number>()
  for (let index = 0; index < count; index++) {
    const { rows } = await database.query<{ port: number }>(whoAnswers)
    ports.add(rows[0]?.port ?? 0)
  }
  return ports
}

function healthyNames(database: Database): string[] {
  return database
    .stats()
    .replicas.filter(({ healthy }) => healthy)
    .map(({ replica }) => replica)
}

async function caughtUp(replica: PostgresServer): Promise<void> {
  const [row] = await primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
  await until(async () => {
    const [here] = await replica.query<{ there: boolean }>(
      `SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there`,
      [row?.lsn],
    )
    return here?.there === true
  })
}

beforeAll(async () => {
  cluster = await startPostgres({ replicas: 2 })
  primary = cluster.primary
  const [one, two] = cluster.replicas
  if (one === undefined || two === undefined) throw new Error('two replicas were asked for')
  first = one
  second = two
  await primary.query('CREATE TABLE marker (tick int)')
  await primary.query('INSERT INTO marker VALUES (1)')
  await primary.query('CREATE TABLE numbers (n int PRIMARY KEY)')
  await primary.query(
    `CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql AS 'INSERT INTO numbers VALUES (-1) RETURNING n'`,
  )
  await Promise.all([caughtUp(first), caughtUp(second)])
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close()))
})
afterAll(async () => {
  await cluster.stop()
})

describe('routing', () => {
  it('spreads reads over both replicas and sends writes to the primary', async () => {
    const database = await open()
    expect(await portsOf(database)).toEqual(new Set([first.port, second.port]))
    const { rows } = await database.query<{ port: number }>(
      `INSERT INTO numbers VALUES (1) RETURNING current_setting('port')::int AS port`,
    )
    expect(rows[0]?.port).toBe(primary.port)
  })

  it('keeps transactions on the primary, and what is called beside them', async () => {
    const database = await open()
    await database.transaction(async (tx) => {
      await tx.query('INSERT INTO numbers VALUES (2)')
      expect((await tx.query<{ port: number }>(whoAnswers)).rows[0]?.port).toBe(primary.port)
      expect((await tx.query('SELECT 1 FROM numbers WHERE n = 2')).rowCount).toBe(1)
      expect((await database.query<{ port: number }>(whoAnswers)).rows[0]?.port).toBe(primary.port)
    })
    expect(await portsOf(database)).not.toContain(primary.port)
  })

  it('obeys read intents', async () => {
    const database = await open()
    const { rows } = await database.query<{ port: number }>(whoAnswers, [], { read: 'primary' })
    expect(rows[0]?.port).toBe(primary.port)
    await expect(database.query('DELETE FROM numbers', [], { read: 'replica' })).rejects.toThrow(
      RoutingError,
    )
    await expect(
      database.query('SELECT * FROM numbers FOR UPDATE', [], { read: 'replica' }),
    ).rejects.toThrow(/\(lock\)/)
    await expect(database.query('SELECT sneaky()', [], { read: 'replica' })).rejects.toThrow(
      /calls sneaky\(\)/,
    )
    await expect(database.query('BEGIN')).rejects.toThrow(/use transaction\(\)/)
  })

  it("asks a router of one's own, but lets no router send a write to a replica", async () => {
    const seen: RoutedQuery[] = []
    const database = await open({
      router: (query) => {
        seen.push(query)
        return 'replica'
      },
    })
    await database.query('INSERT INTO numbers VALUES (3)')
    await database.query('WITH w AS (INSERT INTO numbers VALUES (4) RETURNING n) SELECT n FROM w')
    await database.query('SELECT sneaky()')
    await database.query('SELECT n FROM numbers WHERE n = 3 FOR UPDATE')
    await portsOf(database, 1)
    expect(seen.map(({ type, inTransaction }) => ({ type, inTransaction }))).toEqual([
      { type: 'SELECT', inTransaction: false },
    ])
    const never = await open({ router: () => 'primary' })
    expect(await portsOf(never)).toEqual(new Set([primary.port]))
  })

  it('falls back to the primary where a replica finds out that the statement writes', async () => {
    await primary.query('DELETE FROM numbers WHERE n = -1')
    const database = await open({ stableFunctions: ['sneaky'] })
    expect((await database.query<{ sneaky: number }>('SELECT sneaky()')).rows[0]?.sneaky).toBe(-1)
    expect(healthyNames(database)).toHaveLength(2)
  })

  it('trusts no function that PostgreSQL calls volatile', async () => {
    const rows = await primary.query<{ proname: string }>(
      `SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'v' AND proname = ANY($1)`,
      [[...stableFunctions]],
    )
    expect(rows.map(({ proname }) => proname)).toEqual([])
    const known = await primary.query<{ proname: string }>(
      'SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY($1)',
      [[...stableFunctions]],
    )
    expect(
      [...stableFunctions].filter((name) => !known.some(({ proname }) => proname === name)),
    ).toEqual([])
  })

  it('freezes its settings', async () => {
    const replicas = [{ connectionString: first.url }]
    const database = await open({ replicas })
    replicas.push({ connectionString: primary.url })
    expect(await portsOf(database)).toEqual(new Set([first.port]))
    expect(() => createDatabase({ primary: { connectionString: undefined } })).toThrow(
      /primary.connectionString is not set/,
    )
  })

  it('reports its pools', async () => {
    const database = await open()
    await portsOf(database)
    expect(database.stats().pools.map(({ pool }) => pool)).toEqual([
      'primary',
      'replica-1',
      'replica-2',
    ])
    expect(database.stats().pools.every(({ waiting }) => waiting === 0)).toBe(true)
  })
})

describe('reading what one has written', () => {
  const pause = (): Promise<unknown> =>
    Promise.all([first, second].map((replica) => replica.query('SELECT pg_wal_replay_pause()')))
  const resume = (): Promise<unknown> =>
    Promise.all([first, second].map((replica) => replica.query('SELECT pg_wal_replay_resume()')))
  afterEach(async () => {
    await resume()
  })

  it('goes to the primary until a replica has replayed the write, then back to the replicas', async () => {
    const database = await open()
    await pause()
    const session = database.session()
    await session.query('INSERT INTO numbers VALUES (100)')
    expect(session.token).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
    expect((await session.query('SELECT 1 FROM numbers WHERE n = 100')).rowCount).toBe(1)
    // The control: without the token the same read misses the row.
    expect((await database.query('SELECT 1 FROM numbers WHERE n = 100')).rowCount).toBe(0)
    await resume()
    await until(
      async () =>
        (await session.query<{ port: number }>(whoAnswers)).rows[0]?.port !== primary.port,
    )
    expect((await session.query('SELECT 1 FROM numbers WHERE n = 100')).rowCount).toBe(1)
  })

  it('carries the token to another process by way of the client', async () => {
    const writer = await open()
    const reader = await open()
    await pause()
    const session = writer.session()
    await session.transaction(async (tx) => {
      await tx.query('INSERT INTO numbers VALUES (101)')
    })
    const elsewhere = reader.session(session.token)
    expect((await elsewhere.query('SELECT 1 FROM numbers WHERE n = 101')).rowCount).toBe(1)
  })

  it('never misses a write in 300 rounds against replicas that stall and go on', async () => {
    const database = await open()
    let going = true
    const stalls = (async () => {
      while (going) {
        await pause()
        await sleep(20)
        await resume()
        await sleep(20)
      }
    })()
    const answered = new Set<number>()
    try {
      for (let n = 1000; n < 1300; n++) {
        const session = database.session()
        await session.query('INSERT INTO numbers VALUES ($1)', [n])
        const { rows } = await session.query<{ port: number }>(
          `SELECT current_setting('port')::int AS port FROM numbers WHERE n = $1`,
          [n],
        )
        expect(rows).toHaveLength(1)
        answered.add(rows[0]?.port ?? 0)
      }
    } finally {
      going = false
      await stalls
    }
    // Both ways must have been taken, or the test has shown nothing.
    expect(answered).toContain(primary.port)
    expect(answered.size).toBeGreaterThan(1)
  })
})

describe('transactions', () => {
  it('rolls back when the callback throws, and reports a swallowed error instead of a silent rollback', async () => {
    const database = await open()
    await expect(
      database.transaction(async (tx) => {
        await tx.query('INSERT INTO numbers VALUES (200)')
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    await expect(
      database.transaction(async (tx) => {
        await tx.query('INSERT INTO numbers VALUES (200)')
        await tx.query('SELECT 1/0').catch(() => undefined)
      }),
    ).rejects.toThrow(/rolled back/)
    expect(
      (await database.query('SELECT 1 FROM numbers WHERE n = 200', [], { read: 'primary' }))
        .rowCount,
    ).toBe(0)
  })

  it('runs a conflicting transaction again where it may', async () => {
    const database = await open()
    await database.query('CREATE TABLE counter (value int)')
    await database.query('INSERT INTO counter VALUES (0)')
    await Promise.all(
      Array.from({ length: 8 }, () =>
        database.transaction(
          async (tx) => {
            const { rows } = await tx.query<{ value: number }>('SELECT value FROM counter')
            await tx.query('UPDATE counter SET value = $1', [(rows[0]?.value ?? 0) + 1])
          },
          { isolation: 'SERIALIZABLE', attempts: 30 },
        ),
      ),
    )
    expect(
      (
        await database.query<{ value: number }>('SELECT value FROM counter', [], {
          read: 'primary',
        })
      ).rows[0]?.value,
    ).toBe(8)
  })
})

describe('health', () => {
  it('takes a dead replica out without one failed read, and back in', async () => {
    const database = await open()
    let going = true
    let reads = 0
    const reader = (async () => {
      while (going) {
        await portsOf(database, 1)
        reads++
      }
    })()
    await first.stop('crash')
    await until(() => healthyNames(database).join() === 'replica-2')
    expect(await portsOf(database)).toEqual(new Set([second.port]))
    await first.start()
    await until(() => healthyNames(database).length === 2)
    going = false
    await reader
    expect(reads).toBeGreaterThan(10)
    expect(await portsOf(database)).toEqual(new Set([first.port, second.port]))
  })

  it('takes a lagging replica out and back in', async () => {
    const database = await open({ maxLagMs: 300 })
    await second.query('SELECT pg_wal_replay_pause()')
    await primary.query('INSERT INTO numbers VALUES (300)')
    await until(() => healthyNames(database).join() === 'replica-1')
    expect(database.stats().replicas[1]?.lagSeconds).toBeGreaterThan(0.3)
    expect(await portsOf(database)).toEqual(new Set([first.port]))
    await second.query('SELECT pg_wal_replay_resume()')
    await until(() => healthyNames(database).length === 2)
  })

  it('notices a replica that has lost its connection to the primary', async () => {
    const database = await open({ maxLagMs: 300 })
    const [before] = await second.query<{ value: string }>(
      `SELECT current_setting('primary_conninfo') AS value`,
    )
    await second.query(`ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'`)
    await second.query('SELECT pg_reload_conf()')
    await until(async () => {
      // A new position each time round: the one before may still have got through.
      await primary.query('UPDATE marker SET tick = tick + 1')
      return healthyNames(database).join() === 'replica-1'
    })
    await second.query(
      `ALTER SYSTEM SET primary_conninfo = '${(before?.value ?? '').replaceAll("'", "''")}'`,
    )
    await second.query('SELECT pg_reload_conf()')
    await until(() => healthyNames(database).length === 2)
  })

  it('answers from the primary where no replica is left', async () => {
    const database = await open({ replicas: [{ connectionString: first.url }] })
    await first.stop('crash')
    await portsOf(database, 1)
    expect(await portsOf(database)).toEqual(new Set([primary.port]))
    await first.start()
    await until(() => healthyNames(database).length === 1)
  })

  it('goes on reading while the primary is away, and loses no write across its restart', async () => {
    const database = await open()
    await database.query('CREATE TABLE writes (n int PRIMARY KEY)')
    await caughtUp(first)
    await caughtUp(second)
    const acknowledged: number[] = []
    const failed: number[] = []
    let going = true
    const writer = (async () => {
      for (let n = 0; going; n++) {
        await database.query('INSERT INTO writes VALUES ($1)', [n]).then(
          () => acknowledged.push(n),
          () => failed.push(n),
        )
        await sleep(2)
      }
    })()
    await until(() => acknowledged.length > 50)
    await primary.stop('fast')
    expect(await portsOf(database)).toEqual(new Set([first.port, second.port]))
    const before = acknowledged.length
    await primary.start()
    await until(() => acknowledged.length > before + 50)
    going = false
    await writer
    const { rows } = await database.query<{ n: number }>('SELECT n FROM writes', [], {
      read: 'primary',
    })
    const stored = new Set(rows.map(({ n }) => n))
    expect(acknowledged.filter((n) => !stored.has(n))).toEqual([])
    // At most the one statement that was under way when the server stopped has an unknown outcome.
    expect(failed.length).toBeLessThanOrEqual(1)
  })
})

describe('GIVEN owners that share the primary', () => {
  const blocked = 'SELECT pg_advisory_xact_lock(7)'
  const one = 'SELECT 1 AS n'
  const read = { read: 'primary' } as const

  /** Runs something while every {@link blocked} waits. */
  async function whileBlocked<T>(run: () => Promise<T>): Promise<T> {
    const holder = await open({ replicas: [] })
    return holder.transaction(async (tx) => {
      await tx.query(blocked)
      return run()
    })
  }

  it('leaves connections to the others while one owner waits for all that it may use', async () => {
    const database = await open({ replicas: [] })
    const waiting = await whileBlocked(async () => {
      const queries = Array.from({ length: 20 }, () =>
        database.as('one', () => database.query(blocked)),
      )
      await until(() => database.stats().pools[0]?.total === 7)
      expect((await database.as('two', () => database.query(one, [], read))).rows).toEqual([
        { n: 1 },
      ])
      expect((await database.query(one, [], read)).rows).toEqual([{ n: 1 }])
      expect(database.stats().pools[0]).toMatchObject({ total: 8, waiting: 0 })
      return { queries }
    })
    expect(await Promise.all(waiting.queries)).toHaveLength(20)
  })

  it('tells an owner that its own work takes too long, and forgets what waited', async () => {
    const database = await open({
      replicas: [],
      primary: { connectionString: primary.url, poolSize: 1 },
      primaryWaitMs: 200,
    })
    const query = (text: string) => database.as('one', () => database.query(text, [], read))
    const waiting = await whileBlocked(async () => {
      const first = query(blocked)
      await expect(query(one)).rejects.toThrow(/did not answer within \d+ ms: your own/)
      return { first }
    })
    await waiting.first
    expect((await query(one)).rows).toEqual([{ n: 1 }])
  })

  it('does not make a transaction wait for what its owner holds', async () => {
    const database = await open({
      replicas: [],
      primary: { connectionString: primary.url, poolSize: 2 },
    })
    const { rows } = await database.as('one', () =>
      database.transaction(() => database.query(one, [], read)),
    )
    expect(rows).toEqual([{ n: 1 }])
  })
})
