import { readFileSync } from 'node:fs'
import { postgresTarget } from '../store-url.ts'
import type { Statement, StatementType } from './classify.ts'

/** One server and how many connections to it are kept at most. */
export interface NodeConfig {
  /** `postgres://user:password@host:port/database`. May point at a PgBouncer in transaction mode. */
  readonly connectionString: string | undefined
  /** @default 10 for the primary, 20 for a replica */
  readonly poolSize?: number
  /** In metrics and logs. @default `primary`, `replica-1`, `replica-2`, … */
  readonly name?: string
}

/** What a {@link Router} decides by. */
export interface RoutedQuery {
  readonly type: StatementType
  /** The call was made while a transaction of the same database was open. */
  readonly inTransaction: boolean
  /** Whether the text allows a replica; where it does not, the primary answers, whatever the router says. */
  readonly statement: Statement
  readonly text: string
}

/** Chooses who answers a query that carries no read intent of its own. */
export type Router = (query: RoutedQuery) => 'primary' | 'replica'

/** Settings of {@link createDatabase}. */
export interface DatabaseConfig {
  readonly primary: NodeConfig
  /** Entries without a connection string are left out, so that unset variables need no special case. */
  readonly replicas?: readonly NodeConfig[]
  /** @default a SELECT outside a transaction goes to a replica */
  readonly router?: Router
  /** Replay delay past which a replica leaves the rotation, milliseconds. @default 5000 */
  readonly maxLagMs?: number
  /** How often replicas are looked at, milliseconds. @default 1000 */
  readonly probeIntervalMs?: number
  /** Looks in a row that must fail (succeed) before a replica leaves (returns). @default 2 */
  readonly probesToChange?: number
  /** Time to get a connection, milliseconds. @default 5000 */
  readonly connectTimeoutMs?: number
  /** How long a statement waits for a primary that is restarting or failing over, milliseconds. @default 15000 */
  readonly primaryWaitMs?: number
  /** Time for one statement, milliseconds; 0 is no limit. @default 30000 */
  readonly queryTimeoutMs?: number
  /** Certificate authority that vouches for every server, PEM. */
  readonly ca?: string
  /** Functions of one's own that are STABLE or IMMUTABLE and so may run on a replica, lower case. */
  readonly stableFunctions?: readonly string[]
  /** Seen by `pg_stat_activity`. @default `opencode` */
  readonly applicationName?: string
  readonly observer?: DatabaseObserver
}

/** Told when something changes; for logs. Gauges read {@link Database.stats} when they are scraped. */
export interface DatabaseObserver {
  /** A replica left the rotation or came back. */
  replica?(change: { replica: string; healthy: boolean; lagSeconds: number; reason: string }): void
  /** An idle connection broke. Nothing was lost: the pool makes a new one. */
  connectionError?(failure: { pool: string; error: Error }): void
}

/** The document's default: reads to replicas, the rest and whatever is in a transaction to the primary. */
export const defaultRouter: Router = (query) =>
  query.type === 'SELECT' && !query.inTransaction ? 'replica' : 'primary'

/**
 * The database of the environment: `DATABASE_URL`, `DATABASE_REPLICA_1_URL`, `DATABASE_REPLICA_2_URL`, … and `DATABASE_SSL_CA`.
 * @throws Error naming the variable that is missing or cannot be honoured
 */
export function databaseConfigFromEnv(env: NodeJS.ProcessEnv = process.env): DatabaseConfig {
  if (!env['DATABASE_URL'])
    throw new Error(
      'DATABASE_URL is not set: give the PostgreSQL primary, e.g. postgres://opencode:…@host:5432/opencode.',
    )
  const replicas = Object.entries(env)
    .map(([key, url]) => ({
      number: Number(/^DATABASE_REPLICA_(\d+)_URL$/.exec(key)?.[1] ?? NaN),
      url,
    }))
    .filter(({ number, url }) => !Number.isNaN(number) && Boolean(url))
    .sort((a, b) => a.number - b.number)
    .map(({ number, url }) => ({
      connectionString: url,
      poolSize: 20,
      name: `replica-${number.toString()}`,
    }))
  const ca = certificateAuthority(env)
  for (const [key, url] of Object.entries(env))
    if (/^DATABASE_(REPLICA_\d+_)?URL$/.test(key) && url) postgresTarget(key, url, ca)
  return {
    primary: { connectionString: env['DATABASE_URL'], poolSize: 10 },
    replicas,
    ...(ca === undefined ? {} : { ca }),
    ...(env['OTEL_SERVICE_NAME'] ? { applicationName: env['OTEL_SERVICE_NAME'] } : {}),
  }
}

/** What the file at `DATABASE_SSL_CA` holds. @throws Error naming the variable and the file */
export function certificateAuthority(env: NodeJS.ProcessEnv): string | undefined {
  const file = env['DATABASE_SSL_CA']
  if (!file) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(
      `DATABASE_SSL_CA is "${file}", which cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}). Mount the certificate authority there.`,
    )
  }
}
