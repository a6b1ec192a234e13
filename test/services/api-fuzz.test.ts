import { connect } from 'node:net'
import fc from 'fast-check'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import engine from '../../services/api/catalogue/engine.json' with { type: 'json' }
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'

/** Largest body, bytes; small, so that too large ones are cheap to make. */
const maxBodyBytes = 10_000
/** A run that fails says its seed; put it here to see it again. */
const seed = 20_261_126
const agent = new Agent({ connections: 16, keepAliveTimeout: 30_000 })
let stores: Stores
let api: TestApi
let credentials: string
let session: string

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores, { maxBodyBytes })
  credentials = `Bearer ${await token('fuzz')}`
  session = (
    await new Client(api.url, await token('fuzz')).call<{ id: string }>('POST', '/session', {})
  ).id
})

afterAll(async () => {
  await agent.destroy()
  await api.stop()
  await stores.stop()
})

interface Shot {
  method: string
  path: string
  headers: Record<string, string>
  body: string | Buffer | undefined
}

/** Endpoints that wait for a worker when what they get is good; there is none here. */
const waits =
  /\/(message|command|shell|summarize|init|revert|unrevert|fork)$|\/part\/|^\/(file|find|vcs)/
/** Endpoints that take a body apart, or an id, or a query. */
const targets = engine.endpoints.filter((endpoint) => !/ \/(global\/)?event$/.test(endpoint))

const junk = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ maxLength: 60 }),
  fc.constantFrom(
    '',
    '..',
    '%',
    '%00',
    '%zz',
    '%ff',
    '\u0000',
    '\ud800',
    '-1',
    '1e999',
    'NaN',
    '__proto__',
    'ses_',
    `ses_${'0'.repeat(61)}`,
    'msg_0',
    "' OR 1=1 --",
    '../../etc/passwd',
    '\u202e',
    '💥'.repeat(20),
    '/'.repeat(50),
    'null',
    'a'.repeat(2_000),
  ),
)
const id = fc.oneof(
  { weight: 3, arbitrary: junk },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'SESSION',
      'msg_00000000000100000000000000',
      'prt_00000000000100000000000000',
    ),
  },
)
const query = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc
      .array(
        fc.tuple(
          fc.constantFrom(
            'directory',
            'limit',
            'before',
            'search',
            'start',
            'roots',
            'path',
            'lastEventID',
            'x',
          ),
          junk,
        ),
        { maxLength: 4 },
      )
      .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${encode(value)}`).join('&')}`),
  },
)
const fields = [
  'title',
  'parentID',
  'permission',
  'metadata',
  'time',
  'parts',
  'messageID',
  'model',
  'agent',
  'command',
  'arguments',
  'reply',
  'response',
  'answers',
  'noReply',
]
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.dictionary(fc.oneof(fc.constantFrom(...fields), junk), fc.jsonValue({ maxDepth: 2 }), {
    maxKeys: 6,
  }),
  fc.integer({ min: 65, max: 400 }).map((levels) => ({ metadata: nested(levels) })),
)
const body = fc.oneof(
  { weight: 4, arbitrary: json.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: maxBodyBytes + 1, max: 3 * maxBodyBytes })
      .map((length) => Buffer.alloc(length, ' ')),
  },
  { weight: 1, arbitrary: json.map((value) => JSON.stringify(value).slice(0, -1)) },
)
const headers = fc.record(
  {
    'content-type': fc.constantFrom(
      'application/json',
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/json; charset=utf-16',
      '',
      'a/b;'.repeat(100),
    ),
    'x-request-id': fc.string({ maxLength: 300 }),
    'idempotency-key': fc.string({ maxLength: 300 }),
    'x-opencode-directory': fc.string({ maxLength: 80 }),
    'last-event-id': fc.string({ maxLength: 20 }),
    traceparent: fc.string({ maxLength: 60 }),
    authorization: fc.oneof(
      { weight: 9, arbitrary: fc.constant('GOOD') },
      { weight: 1, arbitrary: fc.string({ maxLength: 100 }) },
    ),
  },
  { requiredKeys: ['authorization'] },
)

const shot: fc.Arbitrary<Shot> = fc
  .record({
    endpoint: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...targets) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS'), junk)
          .map(([method, path]) => `${method} /${encode(path)}`),
      },
    ),
    ids: fc.array(id, { minLength: 3, maxLength: 3 }),
    query,
    body: fc.option(body, { nil: undefined }),
    headers,
  })
  .map(({ endpoint, ids, query: search, body: content, headers: given }) => {
    const [method = 'GET', template = '/'] = endpoint.split(' ')
    let index = 0
    const path = template
      .replaceAll(/\{\w+\}/g, () => encode(ids[index++] ?? ''))
      .replaceAll('SESSION', session)
    const clean = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, value.replaceAll(/[^\x20-\x7e]/g, '')]),
    )
    return {
      method,
      path: path + search,
      body: method === 'GET' || method === 'HEAD' ? undefined : content,
      headers: {
        ...clean,
        authorization:
          clean['authorization'] === 'GOOD' ? credentials : (clean['authorization'] ?? ''),
      },
    }
  })

function encode(value: string): string {
  return value.startsWith('%') ? value : encodeURIComponent(Buffer.from(value).toString())
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

/** @returns the status; 0 for an answer that takes longer than a request that is refused may */
async function fire({ method, path, headers: given, body: content }: Shot): Promise<number> {
  const {
    statusCode,
    body: answer,
    headers: got,
  } = await request(api.url + path, {
    method: method as 'GET',
    headers: given,
    dispatcher: agent,
    ...(content === undefined ? {} : { body: content }),
    headersTimeout: 30_000,
  })
  const text = await answer.text()
  if (statusCode >= 400 && method !== 'HEAD') {
    expect(got['content-type'], text).toBe('application/problem+json')
    expect(JSON.parse(text)).toMatchObject({ status: statusCode })
  }
  return statusCode
}

describe('GIVEN ten thousand requests that nobody should send', () => {
  test('THEN each is answered, none with a fault of the service, and the service goes on', async () => {
    const seen = new Map<number, number>()
    // What happens to be good and would wait for a worker is left out; the rest may be accepted, refused or not served.
    const refused = shot.filter(
      ({ path, headers: { authorization } }) =>
        authorization !== credentials ||
        !waits.test(path.split('?')[0] ?? '') ||
        !path.includes(session),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(refused, { minLength: 50, maxLength: 50 }), async (shots) => {
        const statuses = await Promise.all(shots.map(fire))
        for (const [index, status] of statuses.entries()) {
          seen.set(status, (seen.get(status) ?? 0) + 1)
          if ((status >= 500 && status !== 501) || status < 200)
            throw new Error(`${status.toString()} for ${JSON.stringify(shots[index])}`)
        }
      }),
      { numRuns: 200, seed, endOnFailure: true },
    )
    expect([...seen.values()].reduce((all, count) => all + count, 0)).toBe(10_000)
    for (const status of [400, 401, 404, 413, 501])
      expect(seen.get(status) ?? 0, `answers with ${status.toString()}`).toBeGreaterThan(10)
    expect(
      await new Client(api.url, await token('fuzz')).call('POST', '/session', {
        title: 'after all',
      }),
    ).toMatchObject({ title: 'after all' })
    expect((await fetch(`${api.url}/health/ready`)).status).toBe(200)
    expect(api.logs()).not.toMatch(/"level":"(error|fatal)"/)
  }, 300_000)

  test('WHEN they are not even HTTP THEN the connection ends with 400 or 431, and the service goes on', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((values) => Buffer.from(values)),
      fc
        .constantFrom(
          'GET / HTTP/9.9\r\n\r\n',
          'GET\r\n\r\n',
          `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
          `GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(5_000)}\r\n`,
          'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
          'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
          'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
          'GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n a: b\r\n\r\n',
        )
        .map((text) => Buffer.from(text)),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const said = await raw(sent)
        expect(said === '' || /^HTTP\/1\.1 4\d\d /.test(said), said.slice(0, 200)).toBe(true)
      }),
      { numRuns: 300, seed },
    )
    expect((await fetch(`${api.url}/health/ready`)).status).toBe(200)
  })
})

/** Sends bytes, says that no more will come, and takes what comes back. */
function raw(sent: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(api.port, '127.0.0.1', () => {
      socket.end(sent)
    })
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.on('error', () => {
      resolve(text)
    })
    socket.on('close', () => {
      resolve(text)
    })
  })
}
