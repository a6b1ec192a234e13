import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ApiConfig } from '../../services/runtime/config.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { until } from './support/until.ts'

const mebibyte = 2 ** 20
let stores: Stores
const started: TestApi[] = []
const sockets: Socket[] = []

beforeAll(async () => {
  stores = await startStores()
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(started.splice(0).map((api) => api.stop()))
})

afterAll(() => stores.stop())

async function start(overrides: Partial<ApiConfig> = {}): Promise<TestApi> {
  const api = await startTestApi(stores, overrides)
  started.push(api)
  return api
}

/** A request whose body is on its way, and what has come back so far. */
async function upload(api: TestApi, path: string, authorization = ''): Promise<Upload> {
  const socket = connect(api.port, '127.0.0.1')
  sockets.push(socket)
  await new Promise((resolve) => socket.once('connect', resolve))
  const made: Upload = {
    answer: '',
    closed: false,
    send: (bytes) => {
      if (!socket.destroyed) {
        socket.write(`${bytes.toString(16)}\r\n`)
        socket.write(Buffer.alloc(bytes, ' '))
        socket.write('\r\n')
      }
    },
  }
  socket.on('data', (chunk: Buffer) => (made.answer += chunk.toString()))
  socket.on('error', () => undefined)
  socket.on('close', () => (made.closed = true))
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\n${authorization && `authorization: ${authorization}\r\n`}transfer-encoding: chunked\r\n\r\n`,
  )
  return made
}

interface Upload {
  answer: string
  closed: boolean
  send(bytes: number): void
}

const answered = (one: Upload) => until(() => one.answer !== '', 30_000, 'an answer')

describe('GIVEN clients that send bodies which never end', () => {
  test.each([
    ['nobody', '/session/ses_x/message', ''],
    ['nobody', '/session', 'Bearer nonsense'],
    ['no worker', '/internal/turns/turn_x/complete', ''],
    ['no worker', '/internal/llm/p/v1/chat/completions', 'Bearer nonsense'],
  ])(
    'WHEN %s has said who it is (%s) THEN 401 before a byte is kept',
    async (_, path, credentials) => {
      const api = await start({ maxBodyBytes: 32 * mebibyte })
      const uploads = await Promise.all(
        Array.from({ length: 25 }, () => upload(api, path, credentials)),
      )
      for (const one of uploads) one.send(1_000)
      await Promise.all(uploads.map(answered))
      for (const { answer } of uploads) expect(answer).toMatch(/^HTTP\/1\.1 401 /)
      await until(() => uploads.every(({ closed }) => closed), 30_000, 'the connections to end')
    },
  )

  test('WHEN one tenant does THEN it gets half of what the process may hold, all together no more than all', async () => {
    const api = await start({ maxBodyBytes: mebibyte, bufferedBodyBytes: 400_000 })
    const [a, b, c] = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => `Bearer ${await token(name)}`),
    )
    const path = '/session/ses_00000000000000000000000000/message'
    const [first, second] = [await upload(api, path, a), await upload(api, path, a)]
    first.send(190_000)
    await until(() => api.services.bodies.total === 190_000, 30_000, 'the first to be held')
    second.send(50_000)
    await answered(second)
    expect(second.answer).toMatch(/^HTTP\/1\.1 429 /)
    expect(second.answer).toMatch(/^retry-after: 1\r$/im)
    const third = await upload(api, path, b)
    third.send(190_000)
    await until(() => api.services.bodies.total === 380_000, 30_000, 'the third to be held')
    const fourth = await upload(api, path, c)
    fourth.send(50_000)
    await answered(fourth)
    expect(fourth.answer).toMatch(/^HTTP\/1\.1 503 /)
    expect((await new Client(api.url, await token('d')).send('GET', '/session')).status).toBe(200)
    for (const socket of sockets.splice(0)) socket.destroy()
    await until(() => api.services.bodies.total === 0, 30_000, 'the bodies to be given up')
  })

  test('WHEN one sends nothing more THEN it is cut off in time', async () => {
    const api = await start({ bodySeconds: 1 })
    const slow = await upload(api, '/session', `Bearer ${await token('slow')}`)
    slow.send(10)
    await until(() => slow.closed, 30_000, 'the connection to end')
    expect(slow.answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(api.services.bodies.total).toBe(0)
  })

  test('WHEN the body carries no files THEN 1 MiB is the limit, and the larger one where it does', async () => {
    const api = await start({ maxBodyBytes: 4 * mebibyte })
    const client = new Client(api.url, await token('acme'))
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    const long = 'x'.repeat(2 * mebibyte)
    expect((await client.send('PATCH', `/session/${id}`, { metadata: { long } })).status).toBe(413)
    const file = { type: 'file', mime: 'text/plain', url: `data:text/plain,${long}` }
    const path = `/session/${id}/prompt_async`
    expect((await client.send('POST', path, { parts: [file] })).status).toBe(204)
    expect((await client.send('POST', path, { parts: [file, file, file] })).status).toBe(413)
    await until(() => api.services.bodies.total === 0, 30_000, 'the bodies to be given up')
  })

  test('WHEN a turn runs THEN its body is held no longer', async () => {
    const api = await start({ maxBodyBytes: 4 * mebibyte })
    const client = new Client(api.url, await token('holder'))
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    const stop = new AbortController()
    const parts = [{ type: 'text', text: 'x'.repeat(2 * mebibyte) }]
    const answer = client.send('POST', `/session/${id}/message`, { parts }, {}, stop.signal)
    answer.catch(() => undefined)
    await until(
      async () => Object.keys(await client.call('GET', '/session/status')).includes(id),
      30_000,
      'the turn',
    )
    await until(() => api.services.bodies.total === 0, 30_000, 'the body to be given up')
    stop.abort()
  })
})

describe('GIVEN pages of other origins', () => {
  const page = 'https://app.example.com'
  const preflight = (api: TestApi, origin: string) =>
    fetch(`${api.url}/session`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    })

  test('WHEN one is allowed THEN its preflight needs no credentials, and it can read every answer', async () => {
    const api = await start({ corsOrigins: [page] })
    const asked = await preflight(api, page)
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-origin')).toBe(page)
    expect(asked.headers.get('access-control-allow-methods')).toContain('PATCH')
    expect(asked.headers.get('access-control-allow-headers')).toContain('authorization')
    expect(asked.headers.get('vary')).toMatch(/origin/i)
    const headers = { origin: page, authorization: `Bearer ${await token('acme')}` }
    const refused = { origin: page }
    for (const [path, init, status] of [
      ['/session', headers, 200],
      ['/session', refused, 401],
      ['/session/ses_00000000000000000000000000', headers, 404],
      ['/event', headers, 200],
    ] as const) {
      const answer = await fetch(api.url + path, { headers: init })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('access-control-allow-origin')).toBe(page)
      expect(answer.headers.get('access-control-expose-headers')).toMatch(/X-Next-Cursor/i)
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
      expect(answer.headers.get('vary')).toMatch(/origin/i)
      await answer.body?.cancel()
    }
  })

  test('WHEN one is not THEN no answer names it, nor all', async () => {
    const api = await start({ corsOrigins: [page] })
    for (const origin of [
      'https://evil.example',
      'null',
      `${page}.evil.example`,
      'http://app.example.com',
    ])
      expect((await preflight(api, origin)).headers.get('access-control-allow-origin')).toBeNull()
    expect((await preflight(await start(), page)).status).toBe(401)
  })
})

describe('GIVEN a tenant without a session', () => {
  test.each([
    '/file?path=.',
    '/find/file?query=a',
    '/find?pattern=a',
    '/find/symbol?query=a',
    '/file/status',
    '/vcs/status',
    '/vcs/diff?mode=git',
  ])('WHEN a client asks GET %s THEN there is nothing', async (path) => {
    const api = await start()
    const client = new Client(api.url, await token('new'))
    expect(await client.call('GET', path)).toEqual([])
    const elsewhere = `${path}${path.includes('?') ? '&' : '?'}directory=%2Fhome%2Fme`
    expect(await client.call('GET', elsewhere)).toEqual([])
  })
})

describe('GIVEN a loop of health checks', () => {
  test('WHEN five hundred ask within a second THEN PostgreSQL is asked once or twice', async () => {
    const api = await start()
    expect((await fetch(`${api.url}/health`)).status).toBe(200)
    const { database } = api.services
    const query = database.query.bind(database)
    let asked = 0
    database.query = ((...given: Parameters<typeof query>) => {
      // Not who was shut out, which every process asks by itself every few seconds.
      if (!given[0].includes('revoked_at')) asked += 1
      return query(...given)
    }) as typeof query
    const began = performance.now()
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 50 }, () => fetch(`${api.url}/health`)))
    const seconds = (performance.now() - began) / 1000
    // Each look is two statements.
    expect(asked).toBeLessThanOrEqual(2 * (1 + Math.ceil(seconds)))
  })
})
