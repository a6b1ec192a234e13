import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { eventsAfter, Feeds, headOf } from '../../services/api/events/feed.ts'
import { Positions } from '../../services/api/events/positions.ts'
import {
  EventStreams,
  type StreamOptions,
  type StreamRequest,
} from '../../services/api/events/streams.ts'
import { channels, connectRedis, PubSub } from '../../services/runtime/redis.ts'
import {
  Client,
  type EventReader,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { until } from './support/until.ts'

let stores: Stores
let api: TestApi
let client: Client
let session: { id: string; directory: string }
const readers: EventReader[] = []

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores)
  client = new Client(api.url, await token('acme'))
  session = await client.call('POST', '/session', {})
})

afterEach(() => {
  for (const reader of readers.splice(0)) reader.close()
  vi.useRealTimers()
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

async function open(path = '/event', lastEventID?: number): Promise<EventReader> {
  const reader = await client.events(path, lastEventID)
  readers.push(reader)
  await until(() => reader.frames.length > 0, 30_000, 'server.connected')
  return reader
}

/** Makes one durable event. @returns its place */
async function append(
  title: string,
  { size = 0, of = session }: { size?: number; of?: { id: string } } = {},
): Promise<number> {
  await client.call('PATCH', `/session/${of.id}`, {
    title,
    ...(size === 0 ? {} : { metadata: { pad: 'x'.repeat(size) } }),
  })
  return head()
}

async function head(): Promise<number> {
  return headOf(api.services.database, 'acme')
}

const ids = ({ frames }: EventReader) => frames.flatMap(({ id }) => (id === null ? [] : [id]))
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
const has = (reader: EventReader, id: number) =>
  until(
    () => ids(reader).includes(id),
    45_000,
    `event ${id.toString()} in ${JSON.stringify(ids(reader).slice(-5))}`,
  )

describe('GIVEN an open stream', () => {
  test('THEN events come in order with their ids, in the form of each endpoint', async () => {
    const [instance, global] = [await open(), await open('/global/event')]
    const last = await append('a title')
    await Promise.all([has(instance, last), has(global, last)])
    expect(instance.frames[0]).toMatchObject({
      id: null,
      data: { type: 'server.connected', properties: {} },
    })
    expect(instance.frames.at(-1)).toMatchObject({
      id: last,
      data: {
        id: expect.stringMatching(/^evt_/) as string,
        type: 'session.updated',
        properties: { sessionID: session.id, info: { title: 'a title' } },
      },
    })
    expect(global.frames.at(-1)).toMatchObject({
      id: last,
      data: { directory: session.directory, payload: { type: 'session.updated' } },
    })
  })

  test('WHEN only its head is asked for THEN the answer ends', async () => {
    const response = await client.send('HEAD', '/event')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(await response.text()).toBe('')
  })

  test("WHEN it names a directory THEN only that session's events come", async () => {
    const other = await client.call<{ id: string; directory: string }>('POST', '/session', {})
    const reader = await open(`/event?directory=${encodeURIComponent(other.directory)}`)
    await append('of another session')
    const last = await append('of this session', { of: other })
    await has(reader, last)
    expect(ids(reader)).toEqual([last])
  })

  test('WHEN something is only on the wire THEN it comes without an id', async () => {
    const reader = await open()
    await api.services.publish('acme', [
      {
        seq: null,
        event: { id: 'evt_1', type: 'message.part.delta', properties: { delta: 'x' } },
        directory: session.directory,
      },
    ])
    await until(
      () => reader.frames.some(({ id, data }) => id === null && data.type === 'message.part.delta'),
      30_000,
      'the piece',
    )
  })

  test('THEN the number of open streams is exported', async () => {
    const metric = async () =>
      /^opencode_sse_connections (\d+)$/m.exec(
        await (await fetch(`http://127.0.0.1:${api.metricsPort.toString()}/metrics`)).text(),
      )?.[1]
    await until(async () => (await metric()) === '0', 30_000, 'the streams of other tests to end')
    const reader = await open()
    expect(await metric()).toBe('1')
    reader.close()
    await until(async () => (await metric()) === '0', 30_000, 'the count to go down')
  })
})

describe('GIVEN Last-Event-ID', () => {
  test('WHEN a client comes and goes while events are written THEN it has each once, in order', async () => {
    const start = await append('zero')
    const writer = (async () => {
      for (let number = 1; number <= 150; number++) await append(number.toString())
    })()
    const seen: number[] = []
    while (seen.length < 120) {
      const reader = await open('/event', seen.at(-1) ?? start)
      const from = ids(reader).length
      await until(() => ids(reader).length >= from + 5, 30_000, 'five more events')
      reader.close()
      seen.push(...ids(reader))
    }
    await writer
    const rest = await open('/event', seen.at(-1))
    if (seen.at(-1) !== start + 150) await has(rest, start + 150)
    expect([...seen, ...ids(rest)]).toEqual(range(start + 1, start + 150))
  })

  test('WHEN more was missed than one page holds THEN all of it is replayed', async () => {
    const { work, sessions } = api.services
    const start = await head()
    const stored = await sessions.get({ tenant: 'acme' }, session.id)
    const change = { type: 'session.updated.1', data: { sessionID: session.id, info: stored.info } }
    await work.appendIdle(
      stored,
      Array.from({ length: 1_234 }, () => change),
    )
    const reader = await open('/event', start)
    await has(reader, start + 1_234)
    expect(ids(reader)).toEqual(range(start + 1, start + 1_234))
  })

  test('WHEN it is in the query string THEN it counts too, for clients that cannot set headers', async () => {
    const last = await append('missed')
    const reader = await open(`/event?lastEventID=${(last - 1).toString()}`)
    await has(reader, last)
  })

  test('WHEN it is ahead of the log, as after a failover THEN the stream begins now', async () => {
    const reader = await open('/event', (await head()) + 1_000)
    const last = await append('after the failover')
    await has(reader, last)
    expect(ids(reader)).toEqual([last])
  })

  test.each(['abc', '-1', '1.5', '9'.repeat(30)])('WHEN it is "%s" THEN 400', async (value) => {
    const response = await client.send('GET', '/event', undefined, { 'last-event-id': value })
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })
})

describe('GIVEN Redis that loses messages or is away', () => {
  test('WHEN a message was lost THEN the next one brings it', async () => {
    const reader = await open()
    const { work, sessions } = api.services
    const stored = await sessions.get({ tenant: 'acme' }, session.id)
    await work.appendIdle(stored, [
      { type: 'session.updated.1', data: { sessionID: session.id, info: stored.info } },
    ])
    const last = await append('found')
    await has(reader, last)
    expect(ids(reader)).toEqual([last - 1, last])
  })

  test('WHEN messages come twice or out of order THEN clients see none of it', async () => {
    const reader = await open()
    const redis = connectRedis(stores.redis.url)
    const item = (seq: number) =>
      JSON.stringify({
        seq,
        event: { id: 'evt_x', type: 'forged', properties: {} },
        directory: session.directory,
      })
    const last = await append('one')
    for (const seq of [last, last - 1, last + 5, 1])
      await redis.publish(channels.events('acme'), item(seq))
    const next = await append('two')
    await has(reader, next)
    expect(ids(reader)).toEqual([last, next])
    redis.disconnect()
  })

  test('WHEN Redis dies and comes back empty THEN streams go on, and new ones can be opened meanwhile', async () => {
    const reader = await open()
    await stores.redis.kill()
    const first = await append('while Redis is away')
    await has(reader, first)
    const late = await open('/event', first - 1)
    await has(late, first)
    await stores.redis.start()
    const last = await append('afterwards')
    await Promise.all([has(reader, last), has(late, last)])
    expect(ids(reader)).toEqual([first, last])
    expect(ids(late)).toEqual([first, last])
  })
})

/** The streams alone, behind a plain HTTP server, where the clock and the bounds can be set. */
class Bench {
  readonly streams: EventStreams
  readonly feeds: Feeds
  readonly #redis = [connectRedis(stores.redis.url), connectRedis(stores.redis.url)] as const
  readonly #server: Server
  request: StreamRequest = { tenant: 'acme', form: 'instance' }

  constructor(options: Partial<StreamOptions> = {}) {
    const { database, metrics, logger } = api.services
    const ignore = () => undefined
    this.feeds = new Feeds(
      database,
      new PubSub(...this.#redis),
      new Positions(this.#redis[0], ignore),
      ignore,
    )
    this.streams = new EventStreams({ database, feeds: this.feeds, metrics, logger, ...options })
    this.#server = createServer((_, response) => {
      void this.streams.serve(this.request, response, {})
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    this.streams.destroy()
    this.feeds.close()
    this.#server.closeAllConnections()
    this.#server.close()
    for (const redis of this.#redis) redis.disconnect()
  }
}

/** A client that reads only when it is told to. */
async function rawClient(port: number): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write('GET /event HTTP/1.0\r\n\r\n')
  await until(() => text.includes('server.connected'), 30_000, 'server.connected')
  return { socket, text: () => text }
}

const rawIDs = (text: string) =>
  [...text.matchAll(/^id: (\d+)\ndata: .*\n\n/gm)].map(([, id]) => Number(id))

describe('GIVEN time', () => {
  test('WHEN 15 s have passed THEN a heartbeat comes, not before', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
    const bench = new Bench()
    const { text } = await rawClient(await bench.listen())
    const beats = () => text().split('server.heartbeat').length - 1
    // What 14.999 s brought is on the wire before the marker: one connection keeps the order.
    vi.advanceTimersByTime(14_999)
    const marker = {
      seq: null,
      event: { id: 'evt_1', type: 'marker', properties: {} },
      directory: session.directory,
    }
    await api.services.publish('acme', [marker])
    await until(() => text().includes('marker'), 30_000, 'the marker')
    expect(beats()).toBe(0)
    vi.advanceTimersByTime(1)
    await until(() => beats() > 0, 30_000, 'a heartbeat')
    expect(beats()).toBe(1)
    vi.advanceTimersByTime(30_000)
    await until(() => beats() === 3, 30_000, 'two more')
    bench.close()
  })

  test('WHEN the token has expired THEN the stream ends', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
    const bench = new Bench()
    bench.request = { ...bench.request, expires: Date.now() + 20_000 }
    const { socket, text } = await rawClient(await bench.listen())
    const ended = new Promise((resolve) => socket.once('close', resolve))
    vi.advanceTimersByTime(15_000)
    await until(() => text().includes('server.heartbeat'), 30_000, 'a heartbeat')
    vi.advanceTimersByTime(15_000)
    await ended
    bench.close()
  })
})

describe('GIVEN a client that does not read', () => {
  test('THEN it is dropped before it fills the memory, resumes without loss, and others are not held up', async () => {
    const bench = new Bench({ maxWaiting: 2 ** 20 })
    const port = await bench.listen()
    const slow = await rawClient(port)
    const quick = await rawClient(port)
    slow.socket.pause()
    const start = await head()
    // The kernel's own buffers take some megabytes before ours fill.
    let last = start
    while (bench.streams.size === 2 && last - start < 400)
      last = await append(`big ${last.toString()}`, { size: 100_000 })
    expect(bench.streams.size).toBe(1)
    await until(() => rawIDs(quick.text()).at(-1) === last, 45_000, 'the quick reader')
    expect(rawIDs(quick.text())).toEqual(range(start + 1, last))
    const over = new Promise((resolve) => slow.socket.once('close', resolve))
    slow.socket.resume()
    await over
    const got = rawIDs(slow.text())
    const reader = await open('/event', got.at(-1) ?? start)
    await has(reader, last)
    expect([...got, ...ids(reader)]).toEqual(range(start + 1, last))
    bench.close()
    await append('small again', { size: 1 })
  })
})

describe('GIVEN events that are larger than what may wait for a reader', () => {
  test('THEN they are delivered live and on resume, and one resume gets to the end', async () => {
    const bench = new Bench({ maxWaiting: 64 * 2 ** 10 })
    const port = await bench.listen()
    const start = await head()
    const live = await rawClient(port)
    const first = await append('larger than all', { size: 400_000 })
    await until(() => rawIDs(live.text()).includes(first), 45_000, 'the large event')
    let last = first
    for (let index = 0; index < 30; index += 1)
      last = await append(`many ${index.toString()}`, { size: 10_000 })
    bench.request = { ...bench.request, after: start }
    const resumed = await rawClient(port)
    await until(() => rawIDs(resumed.text()).includes(last), 45_000, 'the last event')
    expect(rawIDs(resumed.text())).toEqual(range(start + 1, last))
    for (const { socket } of [live, resumed]) socket.destroy()
    bench.close()
    await append('small again', { size: 1 })
  })

  test('THEN a page of the log ends with the bytes, not only with the number of events', async () => {
    const start = await head()
    for (const index of [1, 2, 3]) await append(`page ${index.toString()}`, { size: 600_000 })
    const read = (after: number) => eventsAfter(api.services.database, 'acme', after)
    expect((await read(start)).map(({ seq }) => seq)).toEqual([start + 1, start + 2])
    expect((await read(start + 2)).map(({ seq }) => seq)).toEqual([start + 3])
    await append('small again', { size: 1 })
  })
})

describe('GIVEN an API that shuts down', () => {
  test("THEN streams are told when to come back and end; new ones are refused; the rest is another API's", async () => {
    const leaving = await startTestApi(stores)
    const its = new Client(leaving.url, await token('acme'))
    const all = await Promise.all(Array.from({ length: 20 }, () => its.events()))
    await until(() => all.every(({ frames }) => frames.length > 0), 30_000, 'the streams')
    const drained = leaving.drain(Date.now() + 30_000)
    await until(() => all.every(({ closed }) => closed), 30_000, 'the streams to end')
    await drained
    const delays = all.map(({ frames }) => {
      const { data } = frames.at(-1) ?? {}
      expect(data).toMatchObject({
        type: 'server.shutdown',
        properties: { reconnectIn: data?.['reconnectIn'] },
      })
      return Number(data?.['reconnectIn'])
    })
    for (const delay of delays) expect(Math.abs(delay - 5_000)).toBeLessThanOrEqual(500)
    expect(new Set(delays).size).toBeGreaterThan(1)
    await expect(its.send('GET', '/event')).rejects.toThrow()
    expect((await open()).frames[0]?.data.type).toBe('server.connected')
  })
})
