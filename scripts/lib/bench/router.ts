import pg from 'pg'
import { createDatabase } from '../../../services/runtime/database/index.ts'
import { startPostgres } from '../../../test/services/support/postgres.ts'
import { until } from '../../../test/services/support/until.ts'
import { median, type Finding } from './finding.ts'

const rounds = 15
const queries = 2_000
const concurrency = 10

/** What the replica router adds to a query, beside a bare `pg` pool of the same size at the same server. */
export async function benchRouter(): Promise<Finding[]> {
  const postgres = await startPostgres({ replicas: 1 })
  const replica = postgres.replicas[0]?.url
  const pool = new pg.Pool({ connectionString: replica, max: 20 })
  const primary = { connectionString: postgres.primary.url }
  const database = createDatabase({
    primary,
    replicas: [{ connectionString: replica, poolSize: 20 }],
  })
  try {
    await postgres.primary.query(
      'CREATE TABLE things AS SELECT n AS id, md5(n::text) AS name FROM generate_series(1, 10000) AS n',
    )
    await postgres.primary.query('CREATE UNIQUE INDEX things_id ON things (id)')
    const text = 'SELECT id, name FROM things WHERE id = $1'
    await until(() => database.stats().replicas.every(({ healthy }) => healthy))
    await until(async () =>
      pool.query(text, [10_000]).then(
        ({ rowCount }) => rowCount === 1,
        () => false,
      ),
    )
    const bare = () => time((id) => pool.query(text, [id]))
    const routed = () => time((id) => database.query(text, [id]))
    await bare()
    await routed()
    const pairs: { bare: number; routed: number }[] = []
    for (let round = 0; round < rounds; round++) {
      // Who goes first changes, so that neither always gets the warmer server.
      const first = round % 2 === 0
      const a = await (first ? bare() : routed())
      const b = await (first ? routed() : bare())
      pairs.push(first ? { bare: a, routed: b } : { bare: b, routed: a })
    }
    const microseconds = (key: 'bare' | 'routed') =>
      (median(pairs.map((pair) => pair[key])) * 1000).toFixed(1)
    return [
      {
        what: 'replica router, time per query',
        measured: median(pairs.map((pair) => pair.routed / pair.bare)),
        limit: 1.1,
        unit: '×',
        detail:
          `${microseconds('routed')} µs beside ${microseconds('bare')} µs with pg's pool; ` +
          `${rounds.toString()} rounds of ${queries.toString()}, ${concurrency.toString()} at once`,
      },
    ]
  } finally {
    await pool.end()
    await database.close()
    await postgres.stop()
  }
}

/** Milliseconds per query of one round. */
async function time(query: (id: number) => Promise<unknown>): Promise<number> {
  const started = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < queries) await query((next++ % 10_000) + 1)
    }),
  )
  return (performance.now() - started) / queries
}
