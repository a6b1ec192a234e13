import { connect } from 'node:net'
import { Redis } from 'ioredis'
import { Client as PostgresClient } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ApiConfig } from '../../services/runtime/config.ts'
import { signEdgeProof } from '../../services/runtime/edge-proof.ts'
import { keyPrefix } from '../../services/runtime/redis.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { until } from './support/until.ts'

interface ProblemDocument {
  type: string
  title: string
  status: number
  detail: string
  requestID: string
  data: { message: string }
}

let stores: Stores
const started: TestApi[] = []

beforeAll(async () => {
  stores = await startStores()
})

afterEach(async () => {
  await Promise.all(started.splice(0).map((api) => api.stop()))
})

afterAll(() => stores.stop())

async function start(overrides: Partial<ApiConfig> = {}): Promise<TestApi> {
  const api = await startTestApi(stores, overrides)
  started.push(api)
  return api
}

const clientOf = async (api: TestApi, tenant = 'acme') => new Client(api.url, await token(tenant))

async function problem(response: Response): Promise<ProblemDocument> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const document = (await response.json()) as ProblemDocument
  expect(document).toMatchObject({
    status: response.status,
    requestID: response.headers.get('x-request-id'),
    data: { message: document.detail },
  })
  return document
}

const statuses = async (client: Client, count: number) => {
  const found: number[] = []
  for (let sent = 0; sent < count; sent++)
    found.push((await client.send('GET', '/session/status')).status)
  return found
}

describe('GIVEN a limit of requests a minute', () => {
  test('WHEN a tenant passes it, over two API processes THEN 429 says how long to wait; others go on', async () => {
    const [one, two] = [await start({ tenantRateLimit: 6 }), await start({ tenantRateLimit: 6 })]
    const [a, b] = [await clientOf(one, 'rated'), await clientOf(two, 'rated')]
    expect([...(await statuses(a, 3)), ...(await statuses(b, 3))]).toEqual([
      200, 200, 200, 200, 200, 200,
    ])
    const refused = await b.send('GET', '/session/status')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect(await problem(refused)).toMatchObject({
      type: 'rate-limit',
      detail: expect.stringMatching(/more than 6 requests in a minute; wait \d+ s/) as string,
    })
    expect(await statuses(a, 1)).toEqual([429])
    expect(await statuses(await clientOf(one, 'patient'), 1)).toEqual([200])
    expect((await fetch(`${one.url}/health/live`)).status).toBe(200)
  })

  test('WHEN Redis is away THEN each process counts for itself', async () => {
    const api = await start({ tenantRateLimit: 3 })
    const client = await clientOf(api, 'alone')
    await stores.redis.kill()
    try {
      await until(
        async () => (await fetch(`${api.url}/health`)).status === 503,
        30_000,
        'the API to notice',
      )
      expect(await statuses(client, 5)).toEqual([200, 200, 200, 429, 429])
    } finally {
      await stores.redis.start()
    }
  })
})

describe('GIVEN Redis that takes requests and answers none', () => {
  test('WHEN a tenant goes on THEN not every request waits for Redis, and Redis counts again afterwards', async () => {
    const api = await start({ tenantRateLimit: 1_000 })
    const client = await clientOf(api, 'sleeper')
    const redis = new Redis(stores.redis.url)
    const counted = async () => Number((await redis.get(`${keyPrefix}:rate:sleeper`)) ?? 0)
    try {
      // The API may have begun to listen before its connection to Redis was there.
      await until(
        async () => {
          await statuses(client, 1)
          return (await counted()) > 0
        },
        30_000,
        'Redis to count',
      )
      const before = await counted()
      const thaw = stores.redis.freeze()
      try {
        expect(await statuses(client, 10)).toEqual(Array<number>(10).fill(200))
      } finally {
        thaw()
      }
      // What was asked while it slept is answered when it wakes: the first request, and those that looked whether it was back.
      await until(
        async () => (await counted()) > before,
        10_000,
        'Redis to count what it was asked',
      )
      expect((await counted()) - before).toBeLessThan(10)
      const asked = await counted()
      await until(
        async () => {
          await statuses(client, 1)
          return (await counted()) > asked
        },
        30_000,
        'Redis to be asked again',
      )
    } finally {
      redis.disconnect()
    }
  })
})

describe('GIVEN a limit of turns at once', () => {
  test('WHEN a tenant has as many THEN the next is refused until one ends; others go on', async () => {
    const api = await start({ tenantConcurrentTurns: 2 })
    const [busy, other] = [await clientOf(api, 'busy'), await clientOf(api, 'calm')]
    const prompt = async (client: Client) => {
      const { id } = await client.call<{ id: string }>('POST', '/session', {})
      return {
        id,
        response: await client.send('POST', `/session/${id}/prompt_async`, {
          parts: [{ type: 'text', text: 'x' }],
        }),
      }
    }
    const first = await prompt(busy)
    expect([first.response.status, (await prompt(busy)).response.status]).toEqual([204, 204])
    const { response } = await prompt(busy)
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await problem(response)).toMatchObject({
      type: 'too-many-turns',
      detail: expect.stringContaining('2 turns') as string,
    })
    expect((await prompt(other)).response.status).toBe(204)
    await busy.call('POST', `/session/${first.id}/abort`)
    expect((await prompt(busy)).response.status).toBe(204)
  })
})

describe("GIVEN a limit of a body's size", () => {
  test('WHEN a body says that it is larger THEN 413, before it is read', async () => {
    const api = await start({ maxBodyBytes: 1_000 })
    const client = await clientOf(api)
    const refused = await client.send('POST', '/session', { title: 'x'.repeat(2_000) })
    expect(refused.status).toBe(413)
    expect(await problem(refused)).toMatchObject({
      type: 'body-too-large',
      detail: expect.stringContaining('1000 bytes') as string,
    })
    expect((await client.send('POST', '/session', { title: 'x'.repeat(900) })).status).toBe(200)
  })

  test('WHEN a body without a length goes on and on THEN 413', async () => {
    const api = await start({ maxBodyBytes: 1_000 })
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(Buffer.alloc(512, ' '))
      },
    })
    const request = {
      method: 'POST',
      body,
      duplex: 'half',
      headers: { authorization: `Bearer ${await token('acme')}` },
    }
    expect((await fetch(`${api.url}/session`, request as RequestInit)).status).toBe(413)
  })
})

describe('GIVEN a tenant whose writes all wait for something', () => {
  test('WHEN they are more than there are connections THEN other tenants read and write, and so does it once the wait is over', async () => {
    const api = await start()
    const [busy, other] = [await clientOf(api, 'busy'), await clientOf(api, 'other')]
    const { id } = await busy.call<{ id: string }>('POST', '/session', {})
    const lock = new PostgresClient({ connectionString: stores.postgres.primary.url })
    await lock.connect()
    try {
      await lock.query('BEGIN')
      await lock.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [id])
      const waiting = Array.from({ length: 12 }, (_, index) =>
        busy.send('PATCH', `/session/${id}`, { title: `title ${index.toString()}` }),
      )
      await until(
        async () => {
          const [row] = await stores.postgres.primary.query<{ count: string }>(
            `SELECT count(*) AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
          )
          return Number(row?.count) >= 7
        },
        60_000,
        'its writes to wait',
      )
      await other.call('POST', '/session', {})
      expect(await other.call<unknown[]>('GET', '/session')).toHaveLength(1)
      await lock.query('COMMIT')
      // Those that have waited for too long are told to come again.
      for (const response of await Promise.all(waiting))
        expect(response.status).toBeOneOf([200, 503])
      await busy.call('PATCH', `/session/${id}`, { title: 'the last' })
    } finally {
      await lock.end()
    }
  })
})

describe('GIVEN a request that cannot be served', () => {
  test.each([
    ['no JSON', 'POST', '/session', '{', 400, /not JSON/],
    ['a wrong field', 'POST', '/session', '{"title":7}', 400, /title: /],
    [
      'deep nesting',
      'POST',
      '/session',
      `{"metadata":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`,
      400,
      /deeper than 64/,
    ],
    ['no id', 'GET', '/session/nothing', undefined, 400, /"nothing" is not the id of a session/],
    [
      'an unknown id',
      'GET',
      '/session/ses_00000000000000000000000000',
      undefined,
      404,
      /Session not found/,
    ],
    ['a wrong number', 'GET', '/session?limit=many', undefined, 400, /limit/],
    ['an unknown path', 'GET', '/nothing', undefined, 404, /there is no GET \/nothing/],
    ['an endpoint that is not served', 'POST', '/pty', '{}', 501, /no terminal can stay open/],
  ])('%s THEN the document says what to change', async (_, method, path, body, status, words) => {
    const api = await start()
    const response = await fetch(api.url + path, {
      method,
      headers: { authorization: `Bearer ${await token('acme')}` },
      ...(body === undefined ? {} : { body }),
    })
    expect(response.status).toBe(status)
    const document = await problem(response)
    expect(document.detail).toMatch(words)
    expect(document.title).not.toBe('')
  })

  test('WHEN it brings a request id THEN a harmless one is kept, any other replaced', async () => {
    const api = await start()
    const idOf = async (id: string) =>
      (await fetch(`${api.url}/health/live`, { headers: { 'x-request-id': id } })).headers.get(
        'x-request-id',
      )
    expect(await idOf('edge-1.a=b')).toBe('edge-1.a=b')
    for (const id of ['a b', '<script>', 'x'.repeat(200), '{"a":1}'])
      expect(await idOf(id)).toMatch(/^[0-9a-f-]{36}$/)
  })

  test("WHEN the fault is the service's THEN the client is told no more than the request id", async () => {
    const api = await start()
    await stores.postgres.primary.query('ALTER TABLE sessions RENAME COLUMN title TO titel')
    try {
      const response = await (await clientOf(api)).send('POST', '/session', {})
      expect(response.status).toBe(500)
      const text = JSON.stringify(await problem(response))
      expect(text).not.toMatch(/titel|column|relation|sessions/)
      expect(api.logs()).toContain(response.headers.get('x-request-id') ?? 'none')
    } finally {
      await stores.postgres.primary.query('ALTER TABLE sessions RENAME COLUMN titel TO title')
    }
  })
})

describe('GIVEN an edge that signs requests', () => {
  test('WHEN one does not come through it THEN 403, but health needs no proof', async () => {
    const api = await start({ edgeSecret: 'of the edge' })
    const authorization = `Bearer ${await token('acme')}`
    const refused = await fetch(`${api.url}/session`, { headers: { authorization } })
    expect(refused.status).toBe(403)
    expect(await problem(refused)).toMatchObject({ type: 'not-through-edge' })
    const proof = (path: string) =>
      signEdgeProof('of the edge', {
        method: 'GET',
        host: new URL(api.url).host,
        path,
        requestID: 'r1',
      })
    const send = (signed: string) =>
      fetch(`${api.url}/session?limit=1`, {
        headers: { authorization, 'x-request-id': 'r1', 'x-opencode-edge': proof(signed) },
      })
    expect((await send('/session?limit=1')).status).toBe(200)
    expect((await send('/session?limit=2')).status).toBe(403)
    expect((await fetch(`${api.url}/health`)).status).toBe(200)
  })
})

describe('GIVEN the health endpoints', () => {
  const health = (api: TestApi, path: string) =>
    fetch(api.url + path, { signal: AbortSignal.timeout(20_000) })
  const checks = async (response: Response) =>
    (await response.json()) as { status: string; region: string; checks: Record<string, string> }

  test('WHEN all is well THEN they need no credentials and name the region', async () => {
    const api = await start({ region: 'eu' })
    expect(await checks(await health(api, '/health'))).toEqual({
      status: 'ok',
      region: 'eu',
      checks: { database: 'ok', redis: 'ok' },
    })
    expect(await checks(await health(api, '/health/ready'))).toEqual({
      status: 'ok',
      region: 'eu',
      checks: { database: 'ok' },
    })
    expect((await health(api, '/health/live')).status).toBe(200)
  })

  test('WHEN Redis is away THEN the edge is told, the pod stays ready for what needs no Redis; and all is well when it is back', async () => {
    const api = await start()
    await stores.redis.kill()
    try {
      await until(
        async () => (await health(api, '/health')).status === 503,
        30_000,
        'the API to notice',
      )
      const ready = await health(api, '/health/ready')
      expect(ready.status).toBe(200)
      expect((await checks(ready)).checks).toEqual({ database: 'ok' })
      expect((await health(api, '/health/live')).status).toBe(200)
    } finally {
      await stores.redis.start()
    }
    await until(
      async () => (await health(api, '/health')).status === 200,
      30_000,
      'all to be well again',
    )
  })

  test('WHEN PostgreSQL hangs THEN the check does not hang with it', async () => {
    const api = await start()
    expect((await health(api, '/health/ready')).status).toBe(200)
    const thaw = await stores.postgres.primary.freeze()
    try {
      // A look is good for a second.
      let response = await health(api, '/health/ready')
      const isUnready = async () => {
        response = await health(api, '/health/ready')
        return response.status === 503
      }
      await until(isUnready, 10_000, 'the API to notice')
      expect((await checks(response)).checks).toEqual({ database: 'no answer in time' })
      expect((await health(api, '/health/live')).status).toBe(200)
    } finally {
      thaw()
    }
    await until(
      async () => (await health(api, '/health/ready')).status === 200,
      30_000,
      'the API to be ready again',
    )
  })

  test('WHEN the schema is older THEN not ready, and it says so', async () => {
    const api = await start()
    await stores.postgres.primary.query('UPDATE schema_migrations SET version = version - 1000')
    try {
      const response = await health(api, '/health/ready')
      expect(response.status).toBe(503)
      expect((await checks(response)).checks['database']).toMatch(
        /^the schema is older than version \d+$/,
      )
    } finally {
      await stores.postgres.primary.query('UPDATE schema_migrations SET version = version + 1000')
    }
  })

  test('WHEN it drains THEN it is unready, finishes what is under way and takes nothing new', async () => {
    const api = await start()
    const [ready, listing] = [await begin(api, '/health/ready'), await begin(api, '/session')]
    const drained = api.drain(Date.now() + 30_000)
    const unready = await ready.finish()
    expect(unready).toMatch(/^HTTP\/1\.1 503 /)
    expect(unready).toMatch(/^x-opencode-draining: 1\r$/im)
    expect(unready).toContain('"status":"draining"')
    const listed = await listing.finish()
    expect(listed).toMatch(/^HTTP\/1\.1 200 /)
    expect(listed).toMatch(/^connection: close\r$/im)
    await drained
    await expect(health(api, '/health/live')).rejects.toThrow()
  })
})

/** A request whose last line is still missing: under way for the server, and finished when the test says so. */
async function begin(api: TestApi, path: string): Promise<{ finish(): Promise<string> }> {
  const socket = connect(api.port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${await token('acme')}\r\n`,
  )
  // Another connection's answer says that the server has read this one's bytes, which were there before.
  await fetch(`${api.url}/health/live`)
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const ended = new Promise((resolve) => socket.once('close', resolve))
  return {
    finish: async () => {
      socket.write('\r\n')
      await ended
      return text
    },
  }
}
