import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectRedis, channels } from '../../services/runtime/redis.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type EventReader,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { ScriptedWorker } from './support/scripted-worker.ts'
import { until } from './support/until.ts'
import { newID } from './support/worker.ts'

let stores: Stores
let api: TestApi
let client: Client
let worker: ScriptedWorker

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores)
  client = new Client(api.url, await token('acme'))
  worker = new ScriptedWorker(api.url, stores)
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

const create = () => client.call<{ id: string }>('POST', '/session', {})
const types = ({ frames }: EventReader) => frames.map(({ data }) => data.type)

describe('GIVEN a turn whose sandbox says what it likes', () => {
  test('THEN clients get known types about its own sessions and parts, and nothing else', async () => {
    const [own, other] = [await create(), await create()]
    await client.send('POST', `/session/${own.id}/prompt_async`, {
      parts: [{ type: 'text', text: 'x' }],
    })
    const turn = await worker.claim(own.id)
    const said = worker.message(own.id, (await worker.head(own.id)) + 1, 'mine')
    expect((await worker.append(turn, said)).status).toBe(200)
    const part = said[1]?.data['part'] as { id: string; messageID: string }
    const reader = await client.events()
    await until(() => reader.frames.length > 0, 30_000, 'server.connected')
    const passing = (type: string, properties: Record<string, unknown>) => ({
      id: newID('evt'),
      type,
      properties,
    })
    const piece = {
      sessionID: own.id,
      messageID: part.messageID,
      partID: part.id,
      field: 'text',
      delta: '!',
    }
    const answer = await worker.append(
      turn,
      [],
      [
        passing('tui.command.execute', { command: 'session.new' }),
        passing('tui.command.execute', { sessionID: own.id, command: 'session.new' }),
        passing('permission.asked', { id: 'per_forged', sessionID: other.id, permission: 'bash' }),
        passing('session.status', { sessionID: other.id, status: { type: 'busy' } }),
        passing('message.part.delta', { ...piece, partID: 'prt_of_another' }),
        passing('session.idle', {}),
        passing('message.part.delta', piece),
        passing('file.edited', { file: 'a.txt' }),
        passing('session.status', { sessionID: own.id, status: { type: 'busy' } }),
      ],
    )
    expect(answer.status).toBe(200)
    await until(() => types(reader).includes('session.status'), 30_000, 'the last event')
    expect(types(reader).slice(1)).toEqual(['message.part.delta', 'file.edited', 'session.status'])
    expect(await client.call('GET', '/permission')).toEqual([])
    reader.close()
    await worker.complete(turn)
  })
})

describe('GIVEN a deleted session', () => {
  test('THEN a stream from the beginning carries only that it is gone', async () => {
    const { id } = await create()
    await client.call('PATCH', `/session/${id}`, { title: 'a secret title' })
    await client.call('DELETE', `/session/${id}`)
    const kept = await create()
    for (const path of ['/event', '/global/event']) {
      const reader = await client.events(path, 0)
      const text = () => JSON.stringify(reader.frames)
      await until(() => text().includes(kept.id), 30_000, 'what came after it')
      const about = reader.frames.filter((frame) => JSON.stringify(frame).includes(id))
      expect(about).toHaveLength(1)
      expect(JSON.stringify(about)).toContain('session.deleted')
      expect(text()).not.toContain('a secret title')
      reader.close()
    }
  })
})

describe('GIVEN a message on the channel of events that is none', () => {
  test.each(['not JSON', 'null', '5', '[]', '{}'])(
    'WHEN it is %s THEN events go on',
    async (text) => {
      const reader = await client.events()
      await until(() => reader.frames.length > 0, 30_000, 'server.connected')
      const redis = connectRedis(stores.redis.url)
      await redis.publish(channels.events('acme'), text)
      const { id } = await create()
      await until(() => JSON.stringify(reader.frames).includes(id), 30_000, 'the next event')
      redis.disconnect()
      reader.close()
    },
  )
})
