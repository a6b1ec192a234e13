import { hkdfSync } from 'node:crypto'
import { z } from 'zod'
import type { AuthConfig } from './auth.ts'
import type { RedisMode } from './redis.ts'
import { redisTarget } from './store-url.ts'

/** Settings that the API and the WebSocket handlers share, read from the environment once, at start. */
export interface ServiceConfig {
  port: number
  metricsPort: number
  redisURL: string
  redisMode: RedisMode
  auth: AuthConfig
  region: string
  logLevel: string
  /** Time to drain after SIGTERM, seconds. */
  drainSeconds: number
  /** Secret of the edge's proof on each request; absent: none is asked for. */
  edgeSecret: string | undefined
  /** A browser's session ends when it was not used for so many seconds. */
  signInIdleSeconds: number
  /** Proxies in front, each of which appends the address it sees to `X-Forwarded-For`. */
  trustedProxies: number
}

/** Settings of the API. */
export interface ApiConfig extends ServiceConfig {
  /** A browser's session ends after so many seconds. */
  signInSeconds: number
  /** Signs the tokens of turns. */
  turnTokenSecret: string
  /** Path of the provider file. */
  llmConfig: string | undefined
  /** Requests a minute and tenant. */
  tenantRateLimit: number
  /** Turns of a tenant that may wait or run at once. */
  tenantConcurrentTurns: number
  /** Largest body of a route that carries files, bytes. */
  maxBodyBytes: number
  /** Bytes of request bodies that a process holds at once. */
  bufferedBodyBytes: number
  /** Longest time for receiving a request with its body, seconds. */
  bodySeconds: number
  /** Time an idle connection is kept, seconds; longer than any load balancer in front keeps it. */
  keepAliveSeconds: number
  /** Origins whose pages may call the API. */
  corsOrigins: readonly string[]
  /** What a session's files may take: bytes on a disk, and files, directories and links. */
  workspaceLimits: { bytes: number; entries: number }
  /** Path under which sessions have their directories, the same on every worker. */
  workspaceRoot: string
  /** Longest time a turn may take, seconds. */
  turnSeconds: number
  /** A turn without a heartbeat for this long is given to another worker, seconds. */
  turnSilenceSeconds: number
  /** The sandboxes of this installation; absent: turns wait for ever (tests name their own). */
  sandboxes: SandboxConfig
  /** Folder of the web interface's files; absent: `/` is not served. */
  webRoot?: string | undefined
}

/** Where sandboxes are, and how many may be awake for how long. */
export interface SandboxConfig {
  /** `SANDBOX_NAMESPACE`: their namespace; absent: there are none in Kubernetes. */
  namespace: string | undefined
  /** `SANDBOX_SELECTOR`: label selector of the pool's unclaimed pods. */
  selector: string
  /** `SANDBOX_OWNER`: name of the Deployment that becomes the owner of claimed pods. */
  owner: string
  /** `SANDBOX_PORT` @default 7070 */
  port: number
  /** `SANDBOX_TICKET_PRIVATE_KEY`: signs tickets; PEM, PKCS#8, Ed25519. Needed with a namespace. */
  ticketPrivateKey: string | undefined
  /** `SANDBOX_IDLE_SECONDS`: a sandbox without a turn for this long is ended. @default 600 */
  idleSeconds: number
  /** `SANDBOX_MAX_AGE_SECONDS`: a sandbox of this age is ended after its turn. @default 86_400 */
  maxAgeSeconds: number
  /** `SANDBOX_MAX_AWAKE`: sandboxes that may be awake at once; 0 is no limit. @default 0 */
  maxAwake: number
}

const whole = (value: number) => z.coerce.number().int().nonnegative().default(value)
const mebibyte = 2 ** 20
const origin = z
  .string()
  .regex(/^https?:\/\/[^/*,\s]+$/, 'must hold origins such as https://app.example.com')

const common = (port: number) =>
  z.object({
    PORT: whole(port),
    METRICS_PORT: whole(9090),
    REDIS_URL: z.string().min(1),
    REDIS_MODE: z.enum(['single', 'cluster']).default('single'),
    JWT_SECRET: z.string().min(16, 'is too short: give 16 characters or more'),
    JWT_SECRET_PREVIOUS: z.string().optional(),
    JWT_JWKS_URL: z.url().optional(),
    JWT_ISSUER: z.string().default('opencode'),
    JWT_AUDIENCE: z.string().default('opencode'),
    REGION: z.string().default('local'),
    LOG_LEVEL: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info'),
    DRAIN_SECONDS: whole(30),
    EDGE_SECRET: z.string().optional(),
    SIGN_IN_IDLE_SECONDS: whole(43_200).pipe(z.number().positive()),
    TRUSTED_PROXIES: whole(1),
  })

const api = common(3000).extend({
  SIGN_IN_SECONDS: whole(604_800).pipe(z.number().positive()),
  TURN_TOKEN_SECRET: z.string().optional(),
  LLM_CONFIG: z.string().optional(),
  TENANT_RATE_LIMIT: whole(600),
  TENANT_CONCURRENT_TURNS: whole(10),
  MAX_BODY_BYTES: whole(32 * mebibyte),
  MAX_BUFFERED_BODY_BYTES: whole(128 * mebibyte),
  BODY_SECONDS: whole(300),
  KEEP_ALIVE_SECONDS: whole(650),
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter((origin) => origin !== ''))
    .pipe(z.array(origin)),
  WORKSPACE_MAX_BYTES: whole(10 * 1024 * mebibyte),
  WORKSPACE_MAX_ENTRIES: whole(1_000_000),
  WORKSPACE_ROOT: z.string().startsWith('/').default('/workspace'),
  TURN_SECONDS: whole(3600),
  TURN_SILENCE_SECONDS: whole(3),
  SANDBOX_NAMESPACE: z.string().optional(),
  SANDBOX_SELECTOR: z.string().default('opencode.io/sandbox=unclaimed'),
  SANDBOX_OWNER: z.string().default('opencode-sandbox'),
  SANDBOX_PORT: whole(7070),
  SANDBOX_TICKET_PRIVATE_KEY: z.string().optional(),
  SANDBOX_IDLE_SECONDS: whole(600),
  SANDBOX_MAX_AGE_SECONDS: whole(86_400),
  SANDBOX_MAX_AWAKE: whole(0),
  WEB_ROOT: z.string().optional(),
})

function read<S extends z.ZodType>(schema: S, env: NodeJS.ProcessEnv): z.infer<S> {
  // An empty variable is an unset one: charts render optional values so.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = schema.safeParse(given)
  if (result.success) return result.data
  const problems = result.error.issues.map(
    (issue) =>
      `${issue.path.join('.')} ${given[String(issue.path[0])] === undefined ? 'is not set' : issue.message}`,
  )
  throw new Error(`The environment is not complete: ${problems.join('; ')}.`)
}

function shared(values: z.infer<ReturnType<typeof common>>): ServiceConfig {
  redisTarget('REDIS_URL', values.REDIS_URL, values.REDIS_MODE)
  return {
    port: values.PORT,
    metricsPort: values.METRICS_PORT,
    redisURL: values.REDIS_URL,
    redisMode: values.REDIS_MODE,
    region: values.REGION,
    logLevel: values.LOG_LEVEL,
    drainSeconds: values.DRAIN_SECONDS,
    edgeSecret: values.EDGE_SECRET,
    signInIdleSeconds: values.SIGN_IN_IDLE_SECONDS,
    trustedProxies: values.TRUSTED_PROXIES,
    auth: {
      secret: values.JWT_SECRET,
      previousSecret: values.JWT_SECRET_PREVIOUS,
      jwksURL: values.JWT_JWKS_URL,
      issuer: values.JWT_ISSUER,
      audience: values.JWT_AUDIENCE,
    },
  }
}

/**
 * Reads what the WebSocket handlers need.
 * @param port - Default of PORT.
 * @throws Error that names each variable that is missing or wrong
 */
export function serviceConfig(env: NodeJS.ProcessEnv = process.env, port = 3001): ServiceConfig {
  return shared(read(common(port), env))
}

/** Reads what the API needs. @throws Error that names each variable that is missing or wrong */
export function apiConfig(env: NodeJS.ProcessEnv = process.env): ApiConfig {
  const values = read(api, env)
  if (values.SANDBOX_NAMESPACE !== undefined && values.SANDBOX_TICKET_PRIVATE_KEY === undefined)
    throw new Error(
      'The environment is not complete: SANDBOX_TICKET_PRIVATE_KEY is not set, which SANDBOX_NAMESPACE needs.',
    )
  return {
    ...shared(values),
    signInSeconds: values.SIGN_IN_SECONDS,
    turnTokenSecret: values.TURN_TOKEN_SECRET ?? derive(values.JWT_SECRET, 'opencode turn token'),
    llmConfig: values.LLM_CONFIG,
    tenantRateLimit: values.TENANT_RATE_LIMIT,
    tenantConcurrentTurns: values.TENANT_CONCURRENT_TURNS,
    maxBodyBytes: values.MAX_BODY_BYTES,
    bufferedBodyBytes: values.MAX_BUFFERED_BODY_BYTES,
    bodySeconds: values.BODY_SECONDS,
    keepAliveSeconds: values.KEEP_ALIVE_SECONDS,
    corsOrigins: values.CORS_ORIGINS,
    workspaceLimits: { bytes: values.WORKSPACE_MAX_BYTES, entries: values.WORKSPACE_MAX_ENTRIES },
    workspaceRoot: values.WORKSPACE_ROOT,
    turnSeconds: values.TURN_SECONDS,
    turnSilenceSeconds: values.TURN_SILENCE_SECONDS,
    sandboxes: {
      namespace: values.SANDBOX_NAMESPACE,
      selector: values.SANDBOX_SELECTOR,
      owner: values.SANDBOX_OWNER,
      port: values.SANDBOX_PORT,
      ticketPrivateKey: values.SANDBOX_TICKET_PRIVATE_KEY,
      idleSeconds: values.SANDBOX_IDLE_SECONDS,
      maxAgeSeconds: values.SANDBOX_MAX_AGE_SECONDS,
      maxAwake: values.SANDBOX_MAX_AWAKE,
    },
    webRoot: values.WEB_ROOT,
  }
}

/** A key of its own from another one, the same in every pod. @see https://www.rfc-editor.org/rfc/rfc5869 */
function derive(secret: string, purpose: string): string {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)).toString('hex')
}
