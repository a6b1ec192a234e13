import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Worker } from 'bullmq'
import { Client, startStores, token, type EventReader, type Stores } from './support/api.ts'
import { startApiProcess, type ApiProcess } from './support/api-process.ts'
import { ScriptedWorker } from './support/scripted-worker.ts'
import { until } from './support/until.ts'
import { newID } from './support/worker.ts'
import { snapshotOf } from './support/snapshot-store.ts'

let stores: Stores
let apis: ApiProcess[]

beforeAll(async () => {
  stores = await startStores()
  apis = await Promise.all([startApiProcess(stores), startApiProcess(stores)])
})

afterAll(async () => {
  await Promise.all(apis.map(({ process }) => process.stop('SIGKILL')))
  await stores.stop()
})

const api = (index: number) => {
  const found = apis[index]
  if (found === undefined) throw new Error(`no API ${index.toString()}`)
  return found
}

async function clientOf(index: number, tenant: string): Promise<Client> {
  return new Client(api(index).url, await token(tenant))
}

const newSession = async (client: Client) =>
  (await client.call<{ id: string }>('POST', '/session', {})).id

const ids = ({ frames }: EventReader) => frames.flatMap(({ id }) => (id === null ? [] : [id]))

describe('GIVEN 200 clients with event streams of one API', () => {
  test('WHEN it is killed THEN all resume at the other one, nothing missing, nothing twice', async () => {
    const [doomed, other] = [await clientOf(0, 'streams'), await clientOf(1, 'streams')]
    const session = await newSession(other)
    const first = await Promise.all(Array.from({ length: 200 }, () => doomed.events()))
    await until(() => first.every(({ frames }) => frames.length > 0), 60_000, 'the streams')
    const start = 1
    let last = start
    let writing = true
    const writer = (async () => {
      while (writing) {
        await other.call('PATCH', `/session/${session}`, { title: `title ${last.toString()}` })
        last += 1
      }
    })()
    await until(
      () => first.every((reader) => ids(reader).length >= 5),
      60_000,
      'five events for each',
    )
    await api(0).process.stop('SIGKILL')
    await until(() => first.every(({ closed }) => closed), 60_000, 'the streams to break')
    const resumed = await Promise.all(
      first.map((reader) => other.events('/event', ids(reader).at(-1))),
    )
    const until5 = last + 5
    await until(() => last >= until5, 60_000, 'more events')
    writing = false
    await writer
    await until(
      () => resumed.every((reader) => ids(reader).at(-1) === last),
      60_000,
      'the last event for each',
    )
    const expected = Array.from({ length: last - start }, (_, index) => start + 1 + index)
    for (const [index, reader] of resumed.entries()) {
      expect([...ids(first[index] as EventReader), ...ids(reader)]).toEqual(expected)
      reader.close()
    }
    apis[0] = await startApiProcess(stores)
  })
})

describe('GIVEN turns in the queue', () => {
  test('WHEN Redis is wiped THEN sessions are intact and every turn is queued again and done once', async () => {
    const client = await clientOf(0, 'wiped')
    const sessions = await Promise.all(Array.from({ length: 20 }, () => newSession(client)))
    for (const id of sessions)
      await client.call('POST', `/session/${id}/prompt_async`, {
        parts: [{ type: 'text', text: `prompt of ${id}` }],
      })
    const before = await client.call('GET', '/session?limit=100')
    await stores.redis.kill()
    await stores.redis.start()
    expect(await client.call('GET', '/session?limit=100')).toEqual(before)
    const worker = new ScriptedWorker(api(1).url, stores)
    const done: string[] = []
    const url = new URL(stores.redis.url)
    const consumer = new Worker<{ turnId: string }>(
      'turns',
      async ({ data }) => {
        const [row] = await stores.postgres.primary.query<{ session_id: string }>(
          'SELECT session_id FROM turns WHERE id = $1',
          [data.turnId],
        )
        const held = await worker.claimTurn(data.turnId, row?.session_id ?? '')
        const head = await worker.head(held.sessionID)
        expect(
          (await worker.append(held, worker.message(held.sessionID, head + 1, 'done'))).status,
        ).toBe(200)
        expect((await worker.complete(held)).status).toBe(200)
        done.push(held.sessionID)
      },
      {
        prefix: '{opencode}',
        connection: { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null },
        concurrency: 2,
      },
    )
    await until(() => done.length === sessions.length, 60_000, 'all turns')
    await consumer.close()
    expect(done.sort()).toEqual([...sessions].sort())
    for (const id of sessions)
      expect(await client.call<unknown[]>('GET', `/session/${id}/message`)).toHaveLength(1)
    expect(await client.call('GET', '/session/status')).toEqual({})
  })
})

describe('GIVEN clients that write all the time', () => {
  test.each(['fast', 'crash'] as const)(
    'WHEN the primary is restarted (%s) THEN 5xx only until it is back, and no write that was confirmed is lost',
    async (how) => {
      const tenant = `writers-${how}`
      const clients = [await clientOf(0, tenant), await clientOf(1, tenant)]
      const confirmed: string[] = []
      const answers: { status: number; sent: number; body: string }[] = []
      let writing = true
      const write = async (client: Client) => {
        while (writing) {
          const sent = performance.now()
          const response = await client.send('POST', '/session', { title: 'written' })
          const body = await response.text()
          answers.push({ status: response.status, sent, body })
          if (response.status === 200) confirmed.push((JSON.parse(body) as { id: string }).id)
        }
      }
      const writers = clients.flatMap((client) => Array.from({ length: 4 }, () => write(client)))
      const enough = (count: number) =>
        until(
          () => confirmed.length >= count,
          60_000,
          `${count.toString()} writes in ${JSON.stringify(answers.slice(-8))}`,
        )
      let over = 0
      try {
        await enough(50)
        await stores.postgres.primary.restart(how)
        const back = performance.now()
        // The window ends when an answer to a request made after the restart is good.
        await until(
          () => answers.some(({ status, sent }) => status === 200 && sent > back),
          60_000,
          'a write after the restart',
        )
        over = performance.now()
        await enough(confirmed.length + 100)
      } finally {
        writing = false
        await Promise.all(writers)
      }
      const late = answers.filter(({ status, sent }) => status >= 500 && sent > over)
      expect(late).toEqual([])
      for (const { body } of answers.filter(({ status }) => status !== 200))
        expect(JSON.parse(body)).toMatchObject({
          status: 503,
          detail: expect.stringContaining('try again') as string,
        })
      const rows = await stores.postgres.primary.query<{ id: string }>(
        'SELECT id FROM sessions WHERE tenant = $1',
        [tenant],
      )
      const kept = new Set(rows.map(({ id }) => id))
      expect(confirmed.filter((id) => !kept.has(id))).toEqual([])
      const events = await stores.postgres.primary.query<{ seq: string }>(
        'SELECT tenant_seq AS seq FROM session_events WHERE tenant = $1 ORDER BY 1',
        [tenant],
      )
      expect(events.map(({ seq }) => Number(seq))).toEqual(
        Array.from({ length: events.length }, (_, index) => index + 1),
      )
    },
  )
})

describe('GIVEN a turn that a newer attempt has taken', () => {
  test('WHEN the stale worker writes THEN everything it sends is refused and nothing is kept', async () => {
    const client = await clientOf(0, 'stale')
    const session = await newSession(client)
    await client.call('POST', `/session/${session}/prompt_async`, {
      parts: [{ type: 'text', text: 'hello' }],
    })
    const worker = new ScriptedWorker(api(0).url, stores)
    const stale = await worker.claim(session)
    expect((await worker.append(stale, worker.message(session, 1, 'by the first'))).status).toBe(
      200,
    )
    // The second attempt goes to the other API: the fence is PostgreSQL's.
    const current = await new ScriptedWorker(api(1).url, stores).claimTurn(stale.id, session)
    expect(current.fence).toBeGreaterThan(stale.fence)
    const before = await stores.postgres.primary.query(
      'SELECT * FROM session_events WHERE tenant = $1 ORDER BY tenant_seq',
      ['stale'],
    )
    const asked = {
      id: newID('evt'),
      type: 'permission.asked',
      properties: { id: 'per_stalestalestale', sessionID: session },
    }
    const refused = [
      await worker.append(stale, worker.message(session, 3, 'too late')),
      await worker.append(stale, [], [asked]),
      await worker.send(stale.id, 'POST', '/sandbox', { fence: stale.fence }),
      await worker.complete(stale),
      await worker.send(stale.id, 'PUT', '/workspace', await snapshotOf('file', 'content'), {
        'x-opencode-fence': stale.fence.toString(),
      }),
    ]
    for (const response of refused) {
      expect(response.status).toBe(409)
      expect(await response.json()).toMatchObject({ type: 'stale-fence' })
    }
    expect(
      await stores.postgres.primary.query(
        'SELECT * FROM session_events WHERE tenant = $1 ORDER BY tenant_seq',
        ['stale'],
      ),
    ).toEqual(before)
    expect(
      await stores.postgres.primary.query('SELECT 1 FROM snapshots WHERE root_id = $1', [session]),
    ).toEqual([])
    expect(await client.call('GET', '/permission')).toEqual([])
    // The current one goes on where the first had come to; a repetition of what is there is no conflict.
    const events = worker.message(session, 3, 'by the second')
    for (let sent = 0; sent < 2; sent++)
      expect((await worker.append(current, events)).status).toBe(200)
    expect(
      (await worker.append(current, worker.message(session, 3, 'another at the same place')))
        .status,
    ).toBe(409)
    expect((await worker.append(current, worker.message(session, 9, 'behind a gap'))).status).toBe(
      409,
    )
    for (let sent = 0; sent < 2; sent++) expect((await worker.complete(current)).status).toBe(200)
    expect(await client.call<unknown[]>('GET', `/session/${session}/message`)).toHaveLength(2)
  })
})

describe('GIVEN a turn that its worker has given up', () => {
  test('WHEN people look into it THEN PostgreSQL has it with its reason, whatever became of Redis', async () => {
    const client = await clientOf(0, 'given-up')
    const session = await newSession(client)
    const answer = client.send('POST', `/session/${session}/message`, {
      parts: [{ type: 'text', text: 'hello' }],
    })
    const worker = new ScriptedWorker(api(1).url, stores)
    const { id, fence } = await worker.claim(session)
    const error =
      'The turn failed 4 times, last with: the engine ended unexpectedly. It is not tried again.'
    const end = {
      fence,
      outcome: 'failed',
      givenUp: true,
      error,
      response: { status: 502, headers: {}, body: { detail: error } },
    }
    for (let sent = 0; sent < 2; sent++)
      expect((await worker.send(id, 'POST', '/complete', end)).status).toBe(200)
    expect((await answer).status).toBe(502)
    expect(
      await stores.postgres.primary.query(`SELECT id, error FROM turns WHERE status = 'dead'`),
    ).toEqual([{ id, error }])
  })
})
