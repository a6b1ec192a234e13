import { PassThrough } from 'node:stream'
import { SignJWT } from 'jose'
import { startApi, type Api } from '../../../services/api/server.ts'
import { migrate } from '../../../services/api/migrations/run.ts'
import type { ApiConfig, SandboxConfig } from '../../../services/runtime/config.ts'
import { createLogger } from '../../../services/runtime/logger.ts'
import { defaultLlmConfig, type LlmConfig } from '../../../services/runtime/llm-config.ts'
import type { SandboxPods } from '../../../services/api/sandboxes/pods.ts'
import { ticketPrivateKey } from './local-sandboxes.ts'
import { startPostgres, type PostgresCluster } from './postgres.ts'
import { startRedis, type RedisServer } from './redis.ts'

/** Signs the tests' tokens; nothing else knows it. */
export const jwtSecret = 'a secret for tests only, of some length'

/** Signs the tokens of turns in tests. */
export const turnTokenSecret = 'a secret for turn tokens in tests'

/** The stores that an API needs. */
export interface Stores {
  postgres: PostgresCluster
  redis: RedisServer
  stop(): Promise<void>
}

/** A real PostgreSQL with the schema, and a real Redis, on loopback. */
export async function startStores({ replicas = 0 }: { replicas?: number } = {}): Promise<Stores> {
  const [postgres, redis] = await Promise.all([startPostgres({ replicas }), startRedis()])
  await migrate(postgres.primary.url)
  return {
    postgres,
    redis,
    stop: async () => {
      await Promise.all([postgres.stop(), redis.stop()])
    },
  }
}

/** What an API of tests is told of sandboxes. */
export const testSandboxes: SandboxConfig = {
  namespace: undefined,
  selector: '',
  owner: '',
  port: 7070,
  ticketPrivateKey,
  idleSeconds: 600,
  maxAgeSeconds: 86_400,
  maxAwake: 0,
}

/** An API in this process, and what it logged. */
export interface TestApi extends Api {
  readonly url: string
  readonly logs: () => string
  stop(): Promise<void>
}

/** Starts an API on free ports. */
export async function startTestApi(
  stores: Stores,
  overrides: Partial<ApiConfig> = {},
  llm: LlmConfig = defaultLlmConfig,
  pods?: SandboxPods,
): Promise<TestApi> {
  const config: ApiConfig = {
    port: 0,
    metricsPort: 0,
    redisURL: stores.redis.url,
    redisMode: 'single',
    auth: { secret: jwtSecret },
    region: 'test',
    logLevel: 'info',
    drainSeconds: 5,
    edgeSecret: undefined,
    signInIdleSeconds: 3_600,
    signInSeconds: 86_400,
    trustedProxies: 1,
    turnTokenSecret,
    llmConfig: undefined,
    tenantRateLimit: 0,
    tenantConcurrentTurns: 100,
    maxBodyBytes: 2 ** 20,
    bufferedBodyBytes: 128 * 2 ** 20,
    bodySeconds: 300,
    keepAliveSeconds: 650,
    corsOrigins: [],
    workspaceLimits: { bytes: 4 * 2 ** 20, entries: 10_000 },
    workspaceRoot: '/workspace',
    turnSeconds: 600,
    turnSilenceSeconds: 30,
    sandboxes: testSandboxes,
    ...overrides,
  }
  const lines: string[] = []
  const destination = new PassThrough()
  destination.on('data', (chunk: Buffer) => {
    lines.push(chunk.toString())
  })
  const database = {
    primary: { connectionString: stores.postgres.primary.url, poolSize: 10 },
    replicas: stores.postgres.replicas.map(({ url }) => ({ connectionString: url, poolSize: 20 })),
  }
  const api = await startApi({
    config,
    database,
    llm,
    pods,
    logger: createLogger('api', { level: 'debug', destination }),
  })
  return {
    ...api,
    url: `http://127.0.0.1:${api.port.toString()}`,
    logs: () => lines.join(''),
    stop: () => api.drain(Date.now() + 1_000),
  }
}

/** A client's token. */
export async function token(
  tenant: string,
  {
    user = 'user',
    secret = jwtSecret,
    ...claims
  }: Record<string, string> & { user?: string; secret?: string } = {},
): Promise<string> {
  return new SignJWT({ tenant, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuer('opencode')
    .setAudience('opencode')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))
}

/** A client of one tenant. */
export class Client {
  readonly #url: string
  readonly #token: string

  constructor(url: string, bearer: string) {
    this.#url = url
    this.#token = bearer
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    return fetch(this.#url + path, {
      method,
      ...(signal === undefined ? {} : { signal }),
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  /** Sends and reads JSON. @throws Error on a status that is not 2xx */
  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<T> {
    const response = await this.send(method, path, body)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status.toString()} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  /** Opens an event stream. */
  async events(path = '/event', lastEventID?: number): Promise<EventReader> {
    const abort = new AbortController()
    const response = await fetch(this.#url + path, {
      signal: abort.signal,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(lastEventID === undefined ? {} : { 'last-event-id': lastEventID.toString() }),
      },
    })
    if (!response.ok || response.body === null)
      throw new Error(`${path}: ${response.status.toString()} ${await response.text()}`)
    return new EventReader(response.body, abort)
  }
}

/** A frame of an event stream. */
export interface Frame {
  id: number | null
  data: { type: string; properties: Record<string, unknown> } & Record<string, unknown>
}

/** Collects the frames of an event stream. */
export class EventReader {
  readonly frames: Frame[] = []
  closed = false
  readonly #abort: AbortController

  constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#abort = abort
    void this.#read(body)
      .catch(() => undefined)
      .finally(() => {
        this.closed = true
      })
  }

  close(): void {
    this.#abort.abort()
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const id = /^id: (\d+)$/m.exec(block)?.[1]
        const data = /^data: (.*)$/m.exec(block)?.[1]
        if (data !== undefined)
          this.frames.push({
            id: id === undefined ? null : Number(id),
            data: JSON.parse(data) as Frame['data'],
          })
      }
    }
  }
}
