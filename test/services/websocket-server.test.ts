import { createServer, type Server } from 'node:http'
import { SignJWT } from 'jose'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { sql as peopleTables } from '../../services/api/migrations/0006-people.ts'
import { People } from '../../services/runtime/people/people.ts'
import { Refusals } from '../../services/runtime/people/refusals.ts'
import { createDatabase, type Database } from '../../services/runtime/database/index.ts'
import { signEdgeProof } from '../../services/runtime/edge-proof.ts'
import { createMetrics } from '../../services/runtime/metrics.ts'
import { channels, connectRedis, PubSub, type RedisClient } from '../../services/runtime/redis.ts'
import { ApiClient } from '../../services/websocket/api-client.ts'
import type { ConnectionLimits } from '../../services/websocket/connection.ts'
import { EventLog, type Envelope } from '../../services/websocket/event-log.ts'
import { Feeds } from '../../services/websocket/feed.ts'
import { WebSocketService } from '../../services/websocket/server.ts'
import { startPostgres, type PostgresCluster } from './support/postgres.ts'
import { until } from './support/until.ts'
import { startRedis, type RedisServer } from './support/redis.ts'

const secret = 'a secret for these tests only'
let postgres: PostgresCluster
let redis: RedisServer
let database: Database
let publisher: RedisClient
let subscriber: RedisClient
let api: Server
let apiURL: string
const opened: { service: WebSocketService; feeds: Feeds; client: ApiClient; people: People }[] = []
const sockets: WebSocket[] = []

/** The tables this service reads, no more. */
const tables = `
  CREATE TABLE tenants (id text PRIMARY KEY, head_seq bigint NOT NULL DEFAULT 0);
  CREATE TABLE sessions (id text PRIMARY KEY, tenant text NOT NULL, directory text NOT NULL, deleted_at timestamptz);
  CREATE TABLE session_events (session_id text, seq int, tenant text, tenant_seq bigint, event_id text, type text, data jsonb,
    created_at timestamptz DEFAULT now(), PRIMARY KEY (session_id, seq), UNIQUE (tenant, tenant_seq));`

function sign(claims: { tenant?: string; expires?: string } = {}): Promise<string> {
  return new SignJWT({ tenant: claims.tenant ?? 'acme' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ann')
    .setIssuer('opencode')
    .setAudience('opencode')
    .setExpirationTime(claims.expires ?? '5m')
    .sign(new TextEncoder().encode(secret))
}

interface Overrides {
  limits?: Partial<ConnectionLimits>
  edgeSecret?: string
  apiURL?: string
  ready?: () => Promise<Record<string, boolean>>
}

async function serve(overrides: Overrides = {}) {
  const log = new EventLog(database)
  const logger = pino({ level: 'silent' })
  const feeds = new Feeds(log, new PubSub(publisher, subscriber), logger)
  const metrics = createMetrics()
  const client = new ApiClient(overrides.apiURL ?? apiURL)
  const people = new People({
    auth: { secret },
    database,
    idleSeconds: 3_600,
    warn: () => undefined,
  })
  const service = new WebSocketService({
    people,
    refusals: new Refusals(database),
    log,
    feeds,
    api: client,
    metrics,
    logger,
    region: 'local',
    edgeSecret: overrides.edgeSecret,
    ready: overrides.ready ?? (() => Promise.resolve({ postgres: true })),
    limits: overrides.limits ?? {},
    maxMessageBytes: 100_000,
  })
  opened.push({ service, feeds, client, people })
  const port = await service.listen(0)
  return {
    service,
    metrics,
    url: `ws://127.0.0.1:${port.toString()}/ws`,
    http: `http://127.0.0.1:${port.toString()}`,
  }
}

/** A connected client with everything it was sent. */
interface Client {
  socket: WebSocket
  messages: (Envelope & { reply?: string | null; status?: number; body?: unknown })[]
  closed: Promise<{ code: number; reason: Record<string, unknown> }>
}

async function connect(
  url: string,
  {
    token,
    protocols = [],
    headers = {},
  }: { token?: string; protocols?: string[]; headers?: Record<string, string> } = {},
): Promise<Client> {
  const authorization =
    protocols.length > 0 ? {} : { authorization: `Bearer ${token ?? (await sign())}` }
  const socket = new WebSocket(url, protocols, { headers: { ...authorization, ...headers } })
  sockets.push(socket)
  const messages: Client['messages'] = []
  socket.on('message', (data) =>
    messages.push(JSON.parse((data as Buffer).toString()) as Client['messages'][number]),
  )
  const closed: Client['closed'] = new Promise((resolve) =>
    socket.once('close', (code, reason) => {
      const text = reason.toString()
      resolve({ code, reason: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) })
    }),
  )
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => undefined)
  await until(() => messages.length > 0)
  return { socket, messages, closed }
}

/** Appends as the API does: the log and the counter in one transaction, then a word on Redis. */
async function append(
  text: string,
  { tenant = 'acme', announce = true, size = 0 } = {},
): Promise<number> {
  const seq = await database.transaction(async (tx) => {
    await tx.query(`INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING`, [tenant])
    await tx.query(
      `INSERT INTO sessions VALUES ($1, $2, '/workspace/one') ON CONFLICT DO NOTHING`,
      [`ses_${tenant}`, tenant],
    )
    const { rows } = await tx.query<{ head_seq: string }>(
      'UPDATE tenants SET head_seq = head_seq + 1 WHERE id = $1 RETURNING head_seq',
      [tenant],
    )
    const head = Number(rows[0]?.head_seq)
    await tx.query(
      `INSERT INTO session_events VALUES ($1, $2::int, $3, $2::int, $4, 'session.updated.1', $5)`,
      [`ses_${tenant}`, head, tenant, `evt_${head.toString()}`, { text, pad: 'x'.repeat(size) }],
    )
    return head
  })
  const event = {
    id: `evt_${seq.toString()}`,
    type: 'session.updated',
    properties: { text, pad: 'x'.repeat(size) },
  }
  if (announce)
    await publisher.publish(
      channels.events(tenant),
      JSON.stringify({ seq, event, directory: '/workspace/one' }),
    )
  return seq
}

const texts = ({ messages }: Client): unknown[] =>
  messages
    .filter(({ event }) => event?.type === 'session.updated')
    .map(({ event }) => (event.properties as { text: string }).text)

beforeAll(async () => {
  postgres = await startPostgres()
  redis = await startRedis()
  for (const statement of tables.split(';').filter((text) => text.trim() !== ''))
    await postgres.primary.query(statement)
  await postgres.primary.query(peopleTables)
  database = createDatabase({ primary: { connectionString: postgres.primary.url } })
  publisher = connectRedis(redis.url)
  subscriber = connectRedis(redis.url)
  for (const client of [publisher, subscriber]) client.on('error', () => undefined)
  api = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const answer = (): void => {
        const {
          method,
          url: path,
          headers: { authorization },
        } = request
        const body = { method, path, authorization, sent: Buffer.concat(chunks).toString() }
        response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      }
      if (request.url?.startsWith('/slow') === true) setTimeout(answer, 500)
      else answer()
    })
  })
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  const address = api.address()
  apiURL = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port.toString() : ''}`
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate()
  await Promise.all(
    opened.splice(0).map(async ({ service, feeds, client, people }) => {
      await service.drain(0)
      people.close()
      await feeds.close()
      await client.close()
    }),
  )
})
afterAll(async () => {
  publisher.disconnect()
  subscriber.disconnect()
  await database.close()
  api.closeAllConnections()
  api.close()
  await redis.stop()
  await postgres.stop()
})

describe('credentials', () => {
  it('takes a token as bearer, as basic password and as protocol, without echoing it', async () => {
    const { url } = await serve()
    const token = await sign()
    await connect(url, { token })
    await connect(url, {
      headers: { authorization: `Basic ${Buffer.from(`anyone:${token}`).toString('base64')}` },
    })
    const { socket } = await connect(url, { protocols: ['opencode', `bearer.${token}`] })
    expect(socket.protocol).toBe('opencode')
  })

  it.each([
    ['no token', {}, 401],
    ['a forged one', { authorization: 'Bearer a.b.c' }, 401],
    ['an unknown scheme', { authorization: 'Digest x' }, 401],
  ])('refuses %s with a problem document', async (_, headers, status) => {
    const { http } = await serve()
    const response = await upgradeByHand(`${http}/ws`, headers)
    expect(response).toMatch(new RegExp(`^HTTP/1.1 ${status.toString()} `))
    expect(response).toContain('application/problem+json')
    expect(response).toContain('"detail"')
  })

  it('closes when the token expires, saying where to resume', async () => {
    const { url } = await serve()
    const seq = await append('before the end')
    // In whole seconds, so it may be a second less: enough to connect in on a busy machine.
    const client = await connect(url, { token: await sign({ expires: '5s' }) })
    expect(await client.closed).toMatchObject({ code: 4401, reason: { after: seq } })
  })

  it("asks for the edge's proof where a secret is set", async () => {
    const { url, http } = await serve({ edgeSecret: 'edge' })
    expect(await upgradeByHand(`${http}/ws`, { authorization: `Bearer ${await sign()}` })).toMatch(
      /^HTTP\/1.1 403/,
    )
    const proven = { method: 'GET', host: new URL(url).host, path: '/ws', requestID: 'r1' }
    await connect(url, {
      headers: { 'x-request-id': 'r1', 'x-opencode-edge': signEdgeProof('edge', proven) },
    })
  })
})

describe('events', () => {
  it('sends what is appended, in order, and only to its tenant', async () => {
    const { url } = await serve()
    const ours = await connect(url)
    const theirs = await connect(url, { token: await sign({ tenant: 'other' }) })
    for (const text of ['a1', 'a2', 'a3']) await append(text)
    await append('b1', { tenant: 'other' })
    await until(() => texts(ours).length === 3 && texts(theirs).length === 1)
    expect(texts(ours)).toEqual(['a1', 'a2', 'a3'])
    expect(texts(theirs)).toEqual(['b1'])
  })

  it('resumes after the last event seen, without a gap or a repetition, while events keep coming', async () => {
    const { url } = await serve()
    const start = await append('zero')
    let written = 0
    let enough = false
    const writer = (async () => {
      for (; !enough; written++) await append(written.toString())
    })()
    const seen: number[] = []
    let last = start
    // Leaves and comes back ten times in the middle of it.
    for (let round = 0; round < 10; round++) {
      const client = await connect(`${url}?after=${last.toString()}`)
      await until(() => texts(client).length >= 5)
      client.socket.terminate()
      for (const { seq, event } of client.messages) {
        if (seq === null || event.type === 'server.connected') continue
        seen.push(seq)
        last = seq
      }
    }
    enough = true
    await writer
    const rest = await connect(`${url}?after=${last.toString()}`)
    await until(
      () => last === start + written || rest.messages.some(({ seq }) => seq === start + written),
    )
    for (const { seq, event } of rest.messages)
      if (seq !== null && event.type !== 'server.connected') seen.push(seq)
    expect(seen).toEqual(Array.from({ length: written }, (_, index) => start + 1 + index))
  })

  it('fills the gap when Redis has lost a message', async () => {
    const { url } = await serve()
    const client = await connect(url)
    await append('lost', { announce: false })
    await append('found')
    await until(() => texts(client).length === 2)
    expect(texts(client)).toEqual(['lost', 'found'])
  })

  it('goes on after Redis has died and come back empty', async () => {
    const { url } = await serve()
    const client = await connect(url)
    await redis.kill()
    const late = await connect(url)
    expect(late.messages[0]?.event.type).toBe('server.connected')
    await append('while Redis is away', { announce: false })
    await redis.start()
    await until(() => texts(client).length === 1)
    await append('afterwards')
    await until(() => texts(client).length === 2)
  })

  it('passes on what is not kept, and filters by directory', async () => {
    const { url } = await serve()
    const all = await connect(url)
    const one = await connect(`${url}?directory=${encodeURIComponent('/workspace/two')}`)
    const piece = { type: 'message.part.delta', properties: { delta: 'x' } }
    await publisher.publish(
      channels.events('acme'),
      JSON.stringify({ seq: null, event: piece, directory: '/workspace/one' }),
    )
    await publisher.publish(
      channels.events('acme'),
      JSON.stringify({ seq: null, event: piece, directory: '/workspace/two' }),
    )
    await until(() => all.messages.length === 3 && one.messages.length === 2)
  })
})

describe('calls', () => {
  it("passes a call to the API with the client's own token", async () => {
    const { url } = await serve()
    const token = await sign()
    const client = await connect(url, { token })
    client.socket.send(
      JSON.stringify({
        id: '7',
        method: 'POST',
        path: '/session/ses_1/message?x=1',
        body: { parts: [] },
      }),
    )
    await until(() => client.messages.length === 2)
    expect(client.messages[1]).toEqual({
      reply: '7',
      status: 201,
      body: {
        method: 'POST',
        path: '/session/ses_1/message?x=1',
        authorization: `Bearer ${token}`,
        sent: '{"parts":[]}',
      },
    })
  })

  it.each([
    ['no JSON', '{', 400],
    ['no call', '{"id":"1"}', 400],
    ['an absolute URL', '{"id":"1","method":"GET","path":"//evil.example/"}', 404],
    ['an internal path', '{"id":"1","method":"POST","path":"/internal/turns/x/claim"}', 404],
    [
      'an encoded internal path',
      '{"id":"1","method":"POST","path":"/%69nternal/turns/x/claim"}',
      404,
    ],
    ['a path that climbs', '{"id":"1","method":"POST","path":"/x/../internal/turns"}', 404],
    ['a stream', '{"id":"1","method":"GET","path":"/event"}', 404],
  ])('answers %s with a problem and stays open', async (_, text, status) => {
    const { url } = await serve()
    const client = await connect(url)
    client.socket.send(text)
    await until(() => client.messages.length === 2)
    expect(client.messages[1]).toMatchObject({ status, body: { status } })
    expect(client.socket.readyState).toBe(WebSocket.OPEN)
  })

  it('bounds the calls under way', async () => {
    const { url } = await serve({ limits: { maxCalls: 2 } })
    const client = await connect(url)
    for (const id of ['1', '2', '3'])
      client.socket.send(JSON.stringify({ id, method: 'GET', path: '/slow' }))
    await until(() => client.messages.length === 4)
    expect(client.messages.find(({ reply }) => reply === '3')?.status).toBe(429)
    expect(client.messages.filter(({ status }) => status === 201)).toHaveLength(2)
  })

  it('says that the API is away', async () => {
    const { url } = await serve({ apiURL: 'http://127.0.0.1:1' })
    const client = await connect(url)
    client.socket.send(JSON.stringify({ id: '1', method: 'GET', path: '/session' }))
    await until(() => client.messages.length === 2)
    expect(client.messages[1]).toMatchObject({ reply: '1', status: 502 })
  })
})

describe('bounds', () => {
  it('drops a client that does not read, and tells it where to resume; others are not held up', async () => {
    const { url } = await serve({ limits: { maxBufferedBytes: 200_000 } })
    const slow = await connect(url)
    const quick = await connect(url)
    slow.socket.pause()
    let sent = 0
    let over = false
    void slow.closed.then(() => {
      over = true
    })
    const before = texts(quick).length
    // The kernel's own buffers take some megabytes before ours fill.
    for (; sent < 150; sent++) await append(`big ${sent.toString()}`, { size: 100_000 })
    await until(() => texts(quick).length === before + sent)
    slow.socket.resume()
    await until(() => over)
    const { code, reason } = await slow.closed
    expect(code).toBe(1013)
    const last = slow.messages.findLast(({ seq }) => seq !== null)?.seq ?? 0
    expect(reason['after']).toBe(last)
    const again = await connect(`${url}?after=${String(reason['after'])}`)
    await until(() => texts(again).length === sent - texts(slow).length)
    expect([...texts(slow), ...texts(again)]).toEqual(
      Array.from({ length: sent }, (_, n) => `big ${n.toString()}`),
    )
  })

  it('cuts off who answers no ping', async () => {
    const { url, metrics } = await serve({ limits: { pingIntervalMs: 100 } })
    const healthy = await connect(url)
    const dead = await connect(url)
    const count = async (): Promise<number | undefined> =>
      (await metrics.websocketConnections.get()).values[0]?.value
    expect(await count()).toBe(2)
    dead.socket.pong = () => undefined
    ;(dead.socket as unknown as { _autoPong: boolean })._autoPong = false
    expect((await dead.closed).code).toBe(1006)
    await until(async () => (await count()) === 1)
    expect(healthy.socket.readyState).toBe(WebSocket.OPEN)
  })

  it('closes a connection whose message is too large', async () => {
    const { url } = await serve()
    const client = await connect(url)
    client.socket.send('x'.repeat(200_000))
    expect((await client.closed).code).toBe(1009)
  })
})

describe('drain', () => {
  it('answers the calls under way, then closes with 1012 and a delay; new clients are refused', async () => {
    const { service, url, http, metrics } = await serve()
    const idle = await connect(url)
    const busy = await connect(url)
    busy.socket.send(JSON.stringify({ id: '1', method: 'GET', path: '/slow' }))
    busy.socket.ping()
    await new Promise((resolve) => busy.socket.once('pong', resolve))
    const drained = service.drain(Date.now() + 5000)
    const { code, reason } = await idle.closed
    expect(code).toBe(1012)
    expect(reason['reconnectIn']).toBeGreaterThanOrEqual(4000)
    expect(reason['reconnectIn']).toBeLessThanOrEqual(6000)
    expect(idle.messages.at(-1)?.event.type).toBe('server.shutdown')
    expect((await busy.closed).code).toBe(1012)
    expect(busy.messages.at(-1)).toMatchObject({ reply: '1', status: 201 })
    await drained
    expect((await metrics.draining.get()).values[0]?.value).toBe(1)
    await expect(fetch(`${http}/health`)).rejects.toThrow()
  })

  it('reports health', async () => {
    const { http } = await serve()
    for (const path of ['/health', '/health/live', '/health/ready'])
      expect((await fetch(http + path)).status).toBe(200)
    expect((await fetch(`${http}/nothing`)).status).toBe(404)
  })

  it.each([
    ['a store is away', () => Promise.resolve({ postgres: true, redis: false })],
    ['the check itself fails', () => Promise.reject(new Error('no'))],
  ])('is not ready, but alive, while %s', async (_, ready) => {
    const { http } = await serve({ ready })
    expect((await fetch(`${http}/health/ready`)).status).toBe(503)
    expect((await fetch(`${http}/health/live`)).status).toBe(200)
  })
})

/** The raw answer to an upgrade request: the ws client hides its body. */
async function upgradeByHand(url: string, headers: Record<string, string>): Promise<string> {
  const { connect: open } = await import('node:net')
  const { hostname, port, pathname, host } = new URL(url)
  const lines = Object.entries({
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return new Promise((resolve, reject) => {
    const socket = open(Number(port), hostname, () =>
      socket.write(`GET ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n`),
    )
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.on('end', () => {
      resolve(text)
    })
    socket.on('error', reject)
  })
}
