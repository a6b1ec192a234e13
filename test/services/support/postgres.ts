import { appendFileSync, chmodSync, chownSync, copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { accountOf, postgresBin, run, ServerProcess, tempDir, type Account } from './process.ts'

/** One PostgreSQL server on loopback. */
export class PostgresServer {
  readonly port: number
  readonly url: string
  readonly #process: ServerProcess

  constructor(directory: string, port: number, account: Account) {
    this.port = port
    this.url = `postgres://postgres@127.0.0.1:${port.toString()}/postgres`
    this.#process = new ServerProcess(join(postgresBin(), 'postgres'), ['-D', directory], account)
  }

  get log(): string {
    return this.#process.log
  }

  /** Stops it in the middle of whatever it does, as a hung disk would. @returns what lets it go on */
  async freeze(): Promise<() => void> {
    const rows = await this.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
    )
    const pids = [this.#process.pid, ...rows.map(({ pid }) => pid)].filter(
      (pid) => pid !== undefined,
    )
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    return () => {
      for (const pid of pids) process.kill(pid, 'SIGCONT')
    }
  }

  async start(): Promise<void> {
    await this.#process.start(async () =>
      this.query('SELECT 1').then(
        () => true,
        () => false,
      ),
    )
  }

  /** SIGINT is PostgreSQL's "fast" stop; SIGQUIT does not even checkpoint, as a crash. */
  async stop(how: 'fast' | 'crash' = 'fast'): Promise<void> {
    await this.#process.stop(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
  }

  async restart(how: 'fast' | 'crash' = 'fast'): Promise<void> {
    await this.stop(how)
    await this.start()
  }

  /** One statement on a connection of its own. */
  async query<R extends pg.QueryResultRow = pg.QueryResultRow>(
    text: string,
    values: unknown[] = [],
  ): Promise<R[]> {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 2000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return (await client.query<R>(text, values)).rows
    } finally {
      await client.end().catch(() => undefined)
    }
  }
}

/** A primary and its streaming replicas. */
export interface PostgresCluster {
  readonly primary: PostgresServer
  readonly replicas: PostgresServer[]
  stop(): Promise<void>
}

/** Durability against power loss is off: a test kills processes, not machines. */
function settings(port: number, directory: string): string {
  return [
    `port = ${port.toString()}`,
    `listen_addresses = '127.0.0.1'`,
    `unix_socket_directories = '${directory}'`,
    'fsync = off',
    'max_connections = 120',
    'shared_buffers = 32MB',
    'wal_level = replica',
    'max_wal_senders = 8',
    'hot_standby = on',
    'wal_receiver_status_interval = 1s',
    'wal_retrieve_retry_interval = 200ms',
    '',
  ].join('\n')
}

/** Starts Debian's PostgreSQL in temporary directories on loopback, without a password. */
export async function startPostgres({
  replicas = 0,
  tls,
}: {
  replicas?: number
  /** Certificate and key of the primary, files; absent: no TLS. */
  tls?: { cert: string; key: string }
} = {}): Promise<PostgresCluster> {
  const account = accountOf('postgres')
  const root = tempDir('postgres', account)
  const bin = postgresBin()
  const port = await freePort()
  const data = join(root, 'primary')
  run(
    join(bin, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      '--auth=trust',
      '--no-sync',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
    ],
    account,
  )
  appendFileSync(join(data, 'postgresql.conf'), settings(port, root))
  if (tls) {
    for (const [source, name] of [
      [tls.cert, 'server.crt'],
      [tls.key, 'server.key'],
    ] as const) {
      copyFileSync(source, join(data, name))
      chmodSync(join(data, name), 0o600)
      if (account.uid !== undefined && account.gid !== undefined)
        chownSync(join(data, name), account.uid, account.gid)
    }
    appendFileSync(join(data, 'postgresql.conf'), 'ssl = on\n')
  }
  const primary = new PostgresServer(data, port, account)
  await primary.start()
  const standbys: PostgresServer[] = []
  for (let number = 1; number <= replicas; number++) {
    const copy = join(root, `replica-${number.toString()}`)
    run(
      join(bin, 'pg_basebackup'),
      [
        '-D',
        copy,
        '-h',
        '127.0.0.1',
        '-p',
        port.toString(),
        '-U',
        'postgres',
        '-R',
        '-X',
        'stream',
        '-c',
        'fast',
      ],
      account,
    )
    const standbyPort = await freePort()
    appendFileSync(join(copy, 'postgresql.conf'), settings(standbyPort, root))
    const standby = new PostgresServer(copy, standbyPort, account)
    await standby.start()
    standbys.push(standby)
  }
  return {
    primary,
    replicas: standbys,
    stop: async () => {
      await Promise.all([...standbys, primary].map((server) => server.stop('crash')))
      rmSync(root, { recursive: true, force: true })
    },
  }
}
