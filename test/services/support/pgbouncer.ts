import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { accountOf, ServerProcess, tempDir } from './process.ts'

/** A PgBouncer in transaction mode. */
export interface PgBouncer {
  /** The URL of the pooled database of that name. */
  url(name: string): string
  stop(): Promise<void>
}

/** Starts Debian's PgBouncer before servers on loopback: name → port. */
export async function startPgBouncer(
  databases: Record<string, number>,
  poolSize = 4,
): Promise<PgBouncer> {
  const account = accountOf('postgres')
  const root = tempDir('pgbouncer', account)
  const port = await freePort()
  const entries = Object.entries(databases).map(
    ([name, server]) =>
      `${name} = host=127.0.0.1 port=${server.toString()} dbname=postgres user=postgres`,
  )
  const file = join(root, 'pgbouncer.ini')
  const lines = [
    '[databases]',
    ...entries,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port.toString()}`,
    'unix_socket_dir =',
    'auth_type = any',
    'pool_mode = transaction',
    'max_client_conn = 1000',
    `default_pool_size = ${poolSize.toString()}`,
    'server_login_retry = 1',
    'logfile =',
    '',
  ]
  writeFileSync(file, lines.join('\n'))
  const server = new ServerProcess('/usr/sbin/pgbouncer', [file], account)
  const url = (name: string): string => `postgres://postgres@127.0.0.1:${port.toString()}/${name}`
  const first = Object.keys(databases)[0] ?? 'postgres'
  await server.start(async () => {
    const client = new pg.Client({ connectionString: url(first) })
    client.on('error', () => undefined)
    return client
      .connect()
      .then(() => client.end())
      .then(
        () => true,
        () => false,
      )
  })
  return {
    url,
    stop: async () => {
      await server.stop('SIGQUIT')
      rmSync(root, { recursive: true, force: true })
    },
  }
}
