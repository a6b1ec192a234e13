import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../services/runtime/database/index.ts'
import { startPgBouncer, type PgBouncer } from './support/pgbouncer.ts'
import { startPostgres, type PostgresCluster } from './support/postgres.ts'
import { until } from './support/until.ts'

let cluster: PostgresCluster
let pooler: PgBouncer
let database: Database

const replica = () => {
  const [server] = cluster.replicas
  if (server === undefined) throw new Error('one replica was asked for')
  return server
}

beforeAll(async () => {
  cluster = await startPostgres({ replicas: 1 })
  await cluster.primary.query('CREATE TABLE numbers (n int PRIMARY KEY)')
  pooler = await startPgBouncer({ rw: cluster.primary.port, ro: replica().port })
  database = createDatabase({
    primary: { connectionString: pooler.url('rw'), poolSize: 10 },
    replicas: [{ connectionString: pooler.url('ro'), poolSize: 20 }],
    probeIntervalMs: 100,
  })
  await until(() => database.stats().replicas.every(({ healthy }) => healthy))
})
afterAll(async () => {
  await database.close()
  await pooler.stop()
  await cluster.stop()
})

it('runs more connections than the pooler has servers', async () => {
  const ports = await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      if (n % 3 === 0)
        await database.transaction(async (tx) => {
          await tx.query('INSERT INTO numbers VALUES ($1)', [n])
        })
      const { rows } = await database.query<{ port: number }>(
        `SELECT current_setting('port')::int AS port, $1::int AS n`,
        [n],
      )
      return rows[0]?.port
    }),
  )
  expect(new Set(ports)).toEqual(new Set([replica().port]))
  const { rows } = await database.query<{ count: string }>('SELECT count(*) FROM numbers', [], {
    read: 'primary',
  })
  expect(rows[0]?.count).toBe('20')
})

it('reads its own writes through the pooler, where each statement may reach another server', async () => {
  for (let n = 1000; n < 1100; n++) {
    const session = database.session()
    await session.query('INSERT INTO numbers VALUES ($1)', [n])
    expect((await session.query('SELECT 1 FROM numbers WHERE n = $1', [n])).rowCount).toBe(1)
  }
  await replica().query('SELECT pg_wal_replay_pause()')
  const session = database.session()
  await session.query('INSERT INTO numbers VALUES (2000)')
  expect((await session.query('SELECT 1 FROM numbers WHERE n = 2000')).rowCount).toBe(1)
  expect((await database.query('SELECT 1 FROM numbers WHERE n = 2000')).rowCount).toBe(0)
  await replica().query('SELECT pg_wal_replay_resume()')
})

it('waits for a primary that restarts behind the pooler', async () => {
  await cluster.primary.stop('fast')
  const writes = Promise.all(
    [3000, 3001, 3002].map((n) => database.query('INSERT INTO numbers VALUES ($1)', [n])),
  )
  const started = cluster.primary.start()
  await expect(writes).resolves.toHaveLength(3)
  await started
})
