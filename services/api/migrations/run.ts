import { Client } from 'pg'
import { postgresTarget } from '../../runtime/store-url.ts'
import { migrations } from './index.ts'

/** Key of the advisory lock: any number, the same in every version. */
const LOCK = 7_160_402

/**
 * Brings the schema up to date, one runner at a time, each step in a transaction of its own.
 * @param connectionString - The primary itself: a pooler in transaction mode does not keep the lock.
 * @param ca - Certificate authority of the server, PEM.
 * @returns the names of the steps that were made.
 */
export async function migrate(connectionString: string, ca?: string): Promise<string[]> {
  const client = new Client({
    ...postgresTarget('DATABASE_URL', connectionString, ca),
    application_name: 'opencode-migrate',
    connectionTimeoutMillis: 10_000,
  })
  await client.connect()
  const made: string[] = []
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK])
    await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
      version int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`)
    const { rows } = await client.query<{ version: number }>(
      'SELECT version FROM schema_migrations',
    )
    const known = new Set(rows.map(({ version }) => version))
    for (const { version, name, sql } of migrations) {
      if (known.has(version)) continue
      await client.query('BEGIN')
      // A table that is in use must not make every request wait behind this one.
      await client.query("SET LOCAL lock_timeout = '10s'")
      await client.query(sql)
      await client.query('INSERT INTO schema_migrations (version, name) VALUES ($1, $2)', [
        version,
        name,
      ])
      await client.query('COMMIT')
      made.push(`${version.toString()} ${name}`)
    }
    return made
  } finally {
    await client.end()
  }
}
