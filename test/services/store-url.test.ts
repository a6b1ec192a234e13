import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiConfig } from '../../services/runtime/config.ts'
import { createDatabase, databaseConfigFromEnv } from '../../services/runtime/database/index.ts'
import { connectRedis, connectSubscriber } from '../../services/runtime/redis.ts'
import { postgresTarget, redisTarget } from '../../services/runtime/store-url.ts'
import { startPostgres, type PostgresCluster } from './support/postgres.ts'
import { run } from './support/process.ts'
import { startRedis, type RedisServer } from './support/redis.ts'

const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return (error as Error).message
  }
  return 'accepted'
}

describe('a URL of PostgreSQL', () => {
  it('keeps every part', () => {
    expect(
      postgresTarget(
        'DATABASE_URL',
        'postgresql://us%40er:p%2Fw%25@[::1]:25060/data%20base?sslmode=require&options=-c%20work_mem%3D8MB&target_session_attrs=read-write',
        'authority',
      ),
    ).toEqual({
      host: '::1',
      port: 25060,
      user: 'us@er',
      password: 'p/w%',
      database: 'data base',
      options: '-c work_mem=8MB',
      ssl: { ca: 'authority' },
    })
    expect(postgresTarget('DATABASE_URL', 'postgres://host')).toEqual({
      host: 'host',
      port: 5432,
      ssl: false,
    })
  })

  it.each([
    ['', undefined, false],
    ['', 'authority', { ca: 'authority' }],
    ['?sslmode=disable', undefined, false],
    ['?sslmode=require', undefined, {}],
    ['?sslmode=verify-full', 'authority', { ca: 'authority' }],
    ['?sslmode=no-verify', undefined, { rejectUnauthorized: false }],
    ['?sslrootcert=system', undefined, {}],
  ])('%s beside the authority %s is TLS as %j', (query, ca, ssl) => {
    expect(postgresTarget('DATABASE_URL', `postgres://u@h/d${query}`, ca).ssl).toEqual(ssl)
  })

  it.each([
    ['host=db user=u', 'DATABASE_URL is not a URL. Give postgres://'],
    ['postgres://u:secret/word@host/d', 'DATABASE_URL is not a URL'],
    ['postgres://u:sec#ret@host/d', /is not a URL|has a "#"/],
    ['mysql://u@host/d', 'begins with "mysql://". Give postgres:// or postgresql://'],
    ['postgres://u@a,b/d', 'must name one host'],
    ['postgres://u:50%@host/d', 'has a "%" in its password that begins no escape. Write it as %25'],
    ['postgres://u@host:99999/d', 'is not a URL'],
    ['postgres://u@host/d?sslmode=prefer', 'sslmode=prefer, which could end in clear text'],
    ['postgres://u@host/d?sslmode=verify-ca', 'without a certificate authority'],
    ['postgres://u@host/d?pgbouncer=true', 'parameter "pgbouncer=true", which this service cannot'],
    ['postgres://u@host/d?sslrootcert=/a.pem', 'parameter "sslrootcert=/a.pem"'],
    ['postgres://u@host/d?channel_binding=require', 'parameter "channel_binding=require"'],
  ])('%s is refused in one sentence', (url, words) => {
    const message = refusal(() => postgresTarget('DATABASE_URL', url))
    expect(message).toEqual(
      typeof words === 'string' ? expect.stringContaining(words) : expect.stringMatching(words),
    )
    expect(message).not.toMatch(/secret|sec#ret/)
  })

  it.each(['disable', 'no-verify'])('sslmode=%s beside an authority is refused', (mode) => {
    expect(
      refusal(() => postgresTarget('DATABASE_URL', `postgres://h/d?sslmode=${mode}`, 'authority')),
    ).toContain('beside a certificate authority (DATABASE_SSL_CA). Take one of the two out')
  })

  it('is read at start, those of replicas too', () => {
    const env = { DATABASE_URL: 'postgres://h/d', DATABASE_REPLICA_2_URL: 'postgres://h/d?x=1' }
    expect(refusal(() => databaseConfigFromEnv(env))).toContain('DATABASE_REPLICA_2_URL has the')
    expect(
      refusal(() =>
        databaseConfigFromEnv({ DATABASE_URL: 'postgres://h/d', DATABASE_SSL_CA: '/no/such' }),
      ),
    ).toContain('DATABASE_SSL_CA is "/no/such", which cannot be read (ENOENT). Mount')
  })
})

describe('a URL of Redis', () => {
  it('keeps every part', () => {
    expect(redisTarget('REDIS_URL', 'rediss://app:p%40w@a.example.com:6380/2', 'single')).toEqual({
      nodes: [{ host: 'a.example.com', port: 6380 }],
      options: { username: 'app', password: 'p@w', db: 2, tls: {} },
    })
    expect(redisTarget('REDIS_URL', 'redis://:w@a, redis://:w@b:7000', 'cluster')).toEqual({
      nodes: [
        { host: 'a', port: 6379 },
        { host: 'b', port: 7000 },
      ],
      options: { password: 'w' },
    })
  })

  it.each([
    ['host:6380,password=secret,ssl=True', 'single', 'is not a URL'],
    ['http://host', 'single', 'begins with "http://". Give redis:// or rediss://'],
    ['redis://host/zero', 'single', 'has the database "zero". Give a number'],
    ['redis://host/1', 'cluster', 'has the database 1, but a cluster has only 0'],
    ['redis://a,redis://b', 'single', 'names 2 nodes, but REDIS_MODE is "single"'],
    ['redis://a,rediss://b', 'cluster', 'names nodes with different protocols'],
    ['redis://:secret@a,redis://:other@b', 'cluster', 'nodes with different passwords'],
    ['rediss://a?ssl_cert_reqs=none', 'single', 'has parameters after "?"'],
  ] as const)('%s in mode %s is refused in one sentence, at start', (url, mode, words) => {
    const message = refusal(() =>
      apiConfig({ REDIS_URL: url, REDIS_MODE: mode, JWT_SECRET: '0123456789abcdef' }),
    )
    expect(message).toContain(words)
    expect(message).not.toContain('secret')
  })
})

describe('stores that speak TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'opencode-tls-'))
  const file = (name: string): string => join(folder, name)
  let postgres: PostgresCluster
  let redis: RedisServer

  beforeAll(async () => {
    run('openssl', [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split(' '),
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ...['-keyout', file('tls.key'), '-out', file('tls.crt')],
    ])
    const tls = { key: file('tls.key'), cert: file('tls.crt') }
    postgres = await startPostgres({ tls })
    redis = await startRedis('all', { tls, acl: 'app on >p@w ~* &* +@all' })
    await postgres.primary.query(`CREATE ROLE app LOGIN PASSWORD 'p/w'`)
  })
  afterAll(async () => {
    await Promise.all([postgres.stop(), redis.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  it('GIVEN sslmode=require beside an authority THEN PostgreSQL is asked through TLS that the authority vouches for', async () => {
    const url = `postgres://app:p%2Fw@localhost:${postgres.primary.port.toString()}/postgres?sslmode=require`
    const open = (ca?: string) =>
      createDatabase({ primary: { connectionString: url }, ...(ca === undefined ? {} : { ca }) })
    const database = open(readFileSync(file('tls.crt'), 'utf8'))
    const strange = open()
    try {
      const { rows } = await database.query(
        'SELECT ssl, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      )
      expect(rows).toEqual([{ ssl: true, current_user: 'app' }])
      await expect(strange.query('SELECT 1')).rejects.toThrow(/self-signed certificate/)
    } finally {
      await Promise.all([database.close(), strange.close()])
    }
  })

  it('GIVEN rediss:// with a user THEN commands and subscriptions go through TLS as that user', async () => {
    const url = `rediss://app:p%40w@localhost:${redis.tlsPort.toString()}/1`
    const clients = [connectRedis(url), connectSubscriber(url)]
    for (const client of clients) client.on('error', () => undefined)
    try {
      for (const client of clients) {
        if (client instanceof Cluster) throw new Error('a single server is no cluster')
        // The authority is the process's own (NODE_EXTRA_CA_CERTS): here it is handed over.
        Object.assign(client.options.tls ?? {}, { ca: readFileSync(file('tls.crt')) })
        expect(await client.call('ACL', 'WHOAMI')).toBe('app')
        expect(String(await client.call('CLIENT', 'INFO'))).toContain('db=1')
      }
    } finally {
      for (const client of clients) client.disconnect()
    }
  })
})
