import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { headOf } from '../../services/api/events/feed.ts'
import { createID } from '../../services/runtime/ids.ts'
import { connectRedis, keyPrefix } from '../../services/runtime/redis.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type EventReader,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { until } from './support/until.ts'

let stores: Stores
/** Two replicas: a client's event stream is at one, its prompts go to the other. */
let [streaming, answering]: TestApi[] = []
let readers: EventReader[] = []
let tenants = 0

beforeAll(async () => {
  stores = await startStores()
  ;[streaming, answering] = await Promise.all([startTestApi(stores), startTestApi(stores)])
})

afterEach(() => {
  for (const reader of readers) reader.close()
  readers = []
})

afterAll(async () => {
  await Promise.all([streaming?.stop(), answering?.stop()])
  await stores.stop()
})

/** A tenant of its own, with a stream and a prompt under way. */
async function prompted() {
  if (streaming === undefined || answering === undefined) throw new Error('no API')
  tenants += 1
  const tenant = `tenant-${tenants.toString()}`
  const bearer = await token(tenant)
  const session = await new Client(streaming.url, bearer).call<{ id: string }>(
    'POST',
    '/session',
    {},
  )
  const reader = await new Client(streaming.url, bearer).events()
  readers.push(reader)
  await until(() => reader.frames.length > 0, 30_000, 'server.connected')
  const answer = new Client(answering.url, bearer).send('POST', `/session/${session.id}/message`, {
    parts: [{ type: 'text', text: 'hello' }],
  })
  const { database, work, waiter, sessions } = answering.services
  let id = ''
  await until(
    async () => {
      const { rows } = await database.query<{ id: string }>(
        'SELECT id FROM turns WHERE session_id = $1',
        [session.id],
        { read: 'primary' },
      )
      id = rows[0]?.id ?? ''
      return id !== ''
    },
    30_000,
    'the turn',
  )
  const { fence } = await work.claim(id, 'a worker')
  /** What a worker does at a turn's end, its last event and then the answer, with whatever Redis says of the event lost. */
  const end = async () => {
    const stored = await sessions.get({ tenant }, session.id)
    const last = {
      id: createID('event'),
      aggregateID: session.id,
      seq: stored.head + 1,
      type: 'session.updated.1',
      data: { sessionID: session.id, info: stored.info },
    }
    await work.events(id, fence, [{ kind: 'durable', ...last }])
    await work.complete(id, fence, {
      outcome: 'completed',
      response: { status: 200, headers: {}, body: { info: {}, parts: [] } },
    })
    await waiter.over(id)
    return headOf(database, tenant)
  }
  return { tenant, reader, answer, end }
}

describe('GIVEN a client whose stream and whose prompt are at different replicas', () => {
  test('WHEN the turn is over THEN its events are on the stream before its answer, even if Redis has lost them', async () => {
    const { reader, answer, end } = await prompted()
    const last = await end()
    expect((await answer).status).toBe(200)
    expect(reader.frames.map((frame) => frame.id)).toContain(last)
  })

  test('WHEN a replica with a stream of the tenant has died THEN the answer does not wait for it for long', async () => {
    const { tenant, answer, end } = await prompted()
    const redis = connectRedis(stores.redis.url)
    await redis.hset(
      `${keyPrefix}:positions:${tenant}`,
      'dead',
      `0 ${(Date.now() - 3_000).toString()}`,
    )
    redis.disconnect()
    await end()
    expect((await answer).status).toBe(200)
  })

  test('WHEN Redis is away THEN the answer comes without it', async () => {
    const { answer, end } = await prompted()
    await stores.redis.kill()
    try {
      await end().catch(() => undefined)
      expect((await answer).status).toBe(200)
    } finally {
      await stores.redis.start()
    }
  })
})
