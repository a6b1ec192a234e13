import type { PoolConfig } from 'pg'
import type { RedisOptions } from 'ioredis'

/** What node-postgres needs to reach one server, out of its URL. */
export type PostgresTarget = Pick<
  PoolConfig,
  'host' | 'port' | 'user' | 'password' | 'database' | 'ssl' | 'options' | 'enableChannelBinding'
>

/** The nodes of a Redis, and what is the same for each. */
export interface RedisTarget {
  readonly nodes: readonly { host: string; port: number }[]
  /** User, password, database and TLS. */
  readonly options: Pick<RedisOptions, 'username' | 'password' | 'db' | 'tls'>
}

/** Parameters that say nothing that could be lost, by their only values. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  target_session_attrs: ['any', 'read-write', 'primary'],
  gssencmode: ['disable', 'prefer'],
  channel_binding: ['disable', 'prefer'],
  sslrootcert: ['system'],
}

/**
 * Reads the URL of a PostgreSQL server. Each part is honoured or refused.
 * @param name - Variable that holds it, for messages. They never quote the URL: it holds a password.
 * @param ca - Certificate authority, PEM: TLS with a server that it vouches for, whatever `sslmode` says but `disable`.
 * @throws Error of one sentence and its remedy
 */
export function postgresTarget(name: string, url: string, ca?: string): PostgresTarget {
  const form = `postgres://user:password@host:5432/database`
  const { hostname, port, username, password, pathname, searchParams, hash } = parse(
    name,
    url,
    ['postgres:', 'postgresql:'],
    form,
  )
  if (hostname.includes(',') || hostname === '')
    throw new Error(`${name} must name one host, as in ${form}.`)
  refuseHash(name, hash)
  const parameters = new Map(searchParams)
  const sslmode = parameters.get('sslmode')
  const options = parameters.get('options')
  parameters.delete('sslmode')
  parameters.delete('options')
  for (const [key, value] of parameters) {
    if (harmless[key]?.includes(value) !== true)
      throw new Error(
        `${name} has the parameter "${key}=${value}", which this service cannot honour. Take it out; known are sslmode, options and ${Object.keys(harmless).join(', ')}.`,
      )
  }
  return {
    host: bare(hostname),
    port: port === '' ? 5432 : Number(port),
    ...(username === '' ? {} : { user: decode(name, 'user', username) }),
    ...(password === '' ? {} : { password: decode(name, 'password', password) }),
    ...(pathname.length > 1 ? { database: decode(name, 'database', pathname.slice(1)) } : {}),
    ...(options === undefined ? {} : { options }),
    ...(parameters.get('channel_binding') === 'prefer' ? { enableChannelBinding: true } : {}),
    ssl: tls(name, sslmode ?? (parameters.has('sslrootcert') ? 'verify-full' : undefined), ca),
  }
}

/** TLS as libpq's `sslmode` and our own certificate authority say. @see https://www.postgresql.org/docs/current/libpq-ssl.html */
function tls(name: string, mode: string | undefined, ca: string | undefined): PoolConfig['ssl'] {
  const own = ca === undefined ? {} : { ca }
  switch (mode) {
    case undefined:
      return ca === undefined ? false : own
    case 'disable':
      if (ca === undefined) return false
      break
    case 'no-verify':
      if (ca === undefined) return { rejectUnauthorized: false }
      break
    case 'verify-ca':
      if (ca !== undefined) return { ca, checkServerIdentity: () => undefined }
      throw new Error(
        `${name} has sslmode=verify-ca without a certificate authority. Set DATABASE_SSL_CA (postgres.external.caConfigMap), or sslmode=verify-full.`,
      )
    case 'require':
    case 'verify-full':
      return own
    default:
      throw new Error(
        `${name} has sslmode=${mode}, which could end in clear text. Set disable, require, verify-ca, verify-full or no-verify.`,
      )
  }
  throw new Error(
    `${name} has sslmode=${mode} beside a certificate authority (DATABASE_SSL_CA). Take one of the two out.`,
  )
}

/**
 * Reads the URL of a Redis, or those of a cluster's nodes, separated by commas. Each part is honoured or refused.
 * @param name - Variable that holds it, for messages. They never quote the URL: it holds a password.
 * @throws Error of one sentence and its remedy
 */
export function redisTarget(
  name: string,
  text: string,
  mode: 'single' | 'cluster' | 'any' = 'any',
): RedisTarget {
  const form = `redis://user:password@host:6379, or rediss:// with TLS`
  const urls = text.split(',').map((one) => parse(name, one.trim(), ['redis:', 'rediss:'], form))
  const [first] = urls
  if (first === undefined) throw new Error(`${name} is empty. Give ${form}.`)
  if (mode === 'single' && urls.length > 1)
    throw new Error(
      `${name} names ${urls.length.toString()} nodes, but REDIS_MODE is "single". Set it to "cluster" (redis.external.topology), or name one node.`,
    )
  for (const url of urls) {
    refuseHash(name, url.hash)
    if (url.hostname === '') throw new Error(`${name} names no host. Give ${form}.`)
    if (url.search !== '')
      throw new Error(
        `${name} has parameters after "?", which this service cannot honour. Take them out.`,
      )
    for (const part of ['protocol', 'username', 'password', 'pathname'] as const)
      if (url[part] !== first[part])
        throw new Error(
          `${name} names nodes with different ${part === 'pathname' ? 'databases' : `${part}s`}. Give all the same.`,
        )
  }
  const database = first.pathname.replace(/^\//, '')
  if (!/^\d*$/.test(database))
    throw new Error(
      `${name} has the database "${database}". Give a number, as in redis://host:6379/1.`,
    )
  if (mode === 'cluster' && Number(database) !== 0)
    throw new Error(`${name} has the database ${database}, but a cluster has only 0. Take it out.`)
  return {
    nodes: urls.map(({ hostname, port }) => ({
      host: bare(hostname),
      port: port === '' ? 6379 : Number(port),
    })),
    options: {
      ...(first.username === '' ? {} : { username: decode(name, 'user', first.username) }),
      ...(first.password === '' ? {} : { password: decode(name, 'password', first.password) }),
      ...(Number(database) === 0 ? {} : { db: Number(database) }),
      ...(first.protocol === 'rediss:' ? { tls: {} } : {}),
    },
  }
}

function parse(name: string, text: string, protocols: readonly string[], form: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !text.includes('://'))
    throw new Error(
      `${name} is not a URL. Give ${form}; characters such as @, / and # in the password are written %40, %2F and %23.`,
    )
  if (!protocols.includes(url.protocol))
    throw new Error(
      `${name} begins with "${url.protocol}//". Give ${protocols.map((one) => `${one}//`).join(' or ')}.`,
    )
  return url
}

/** What stands behind `#`: most likely the rest of a password. */
function refuseHash(name: string, hash: string): void {
  if (hash !== '') throw new Error(`${name} has a "#". Write it as %23.`)
}

function decode(name: string, part: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(`${name} has a "%" in its ${part} that begins no escape. Write it as %25.`)
  }
}

/** A host name, an IPv6 address without its brackets. */
const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1')
