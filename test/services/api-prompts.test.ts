import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createID } from '../../services/runtime/ids.ts'
import type { DurableEvent } from '../../services/protocol/events.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type EventReader,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { Reducer } from './support/reducer.ts'
import { ScriptedWorker, type HeldTurn } from './support/scripted-worker.ts'
import { until } from './support/until.ts'
import { newID } from './support/worker.ts'

let stores: Stores
let api: TestApi
let client: Client
let worker: ScriptedWorker
let stream: EventReader

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores, { tenantConcurrentTurns: 3 })
  client = new Client(api.url, await token('acme'))
  worker = new ScriptedWorker(api.url, stores)
  stream = await client.events()
})

afterAll(async () => {
  stream.close()
  await api.stop()
  await stores.stop()
})

const create = () => client.call<{ id: string }>('POST', '/session', {})
const prompt = (id: string, text: string, more: object = {}) =>
  client.send('POST', `/session/${id}/prompt_async`, { parts: [{ type: 'text', text }], ...more })
const abort = (id: string) => client.call('POST', `/session/${id}/abort`)

/** What the stream has said of a session. */
function heard(id: string) {
  return stream.frames
    .map(({ data }) => data)
    .filter(
      ({ properties: { sessionID, info, part } }) =>
        (sessionID ?? (info as { id?: string })?.id ?? (part as { id?: string })?.id) === id,
    )
}
const types = (id: string) => heard(id).map(({ type }) => type)

async function hears(id: string, type: string, times = 1): Promise<void> {
  await until(() => types(id).filter((one) => one === type).length >= times, 10_000, type)
}

interface Message {
  info: { id: string; sessionID: string; role: string; error?: object; parentID?: string }
  parts: { id: string; sessionID: string; messageID: string; type: string; text?: string }[]
}
const messages = (id: string) => client.call<Message[]>('GET', `/session/${id}/message`)
const status = async (id: string) =>
  (await client.call<Record<string, unknown>>('GET', '/session/status'))[id]

/** What a client has put together from the stream is what GET answers. */
async function sameState(id: string): Promise<void> {
  const reducer = new Reducer()
  for (const event of heard(id)) reducer.take(event)
  expect(reducer.messages(id)).toEqual(await messages(id))
}

/** The engine takes a turn's prompt: its own events for the message. */
async function take(turn: HeldTurn, message: Message): Promise<void> {
  const seq = (await worker.head(turn.sessionID)) + 1
  const { sessionID } = turn
  // It gives the message the time at which it takes it.
  const time = { created: Date.now() + 500 }
  const data = [{ sessionID, info: { ...message.info, time, summary: { diffs: [] } } }]
  const parts = message.parts.map((part) => ({ sessionID, part, time: 1 }))
  const event = (index: number, type: string, data: Record<string, unknown>): DurableEvent => ({
    id: newID('evt'),
    aggregateID: sessionID,
    seq: seq + index,
    type,
    data,
  })
  const response = await worker.append(turn, [
    ...data.map((one) => event(0, 'message.updated.1', one)),
    ...parts.map((one, index) => event(1 + index, 'message.part.updated.1', one)),
  ])
  expect(response.status, await response.text()).toBe(200)
}

const idle = (sessionID: string) => [
  {
    id: newID('evt'),
    type: 'session.status',
    properties: { sessionID, status: { type: 'idle' } },
  },
  { id: newID('evt'), type: 'session.idle', properties: { sessionID } },
]

describe('GIVEN a prompt that no worker has yet', () => {
  test('THEN it is on the streams and in every answer at once, and stands once when the engine has taken it', async () => {
    const { id } = await create()
    expect((await prompt(id, 'hello')).status).toBe(204)
    await hears(id, 'session.status')
    expect(types(id)).toEqual([
      'session.created',
      'message.updated',
      'message.part.updated',
      'session.status',
    ])
    expect(await messages(id)).toMatchObject([
      { info: { role: 'user', sessionID: id }, parts: [{ type: 'text', text: 'hello' }] },
    ])
    expect(await status(id)).toEqual({ type: 'busy' })
    await sameState(id)
    const [message] = await messages(id)
    expect(await client.call('GET', `/session/${id}/message/${message?.info.id ?? ''}`)).toEqual(
      message,
    )
    const turn = await worker.claim(id)
    await take(turn, message as Message)
    expect(await messages(id)).toMatchObject([{ info: { summary: {} } }])
    // Removed later, it must not come back.
    const kept = 'SELECT prompt_id FROM turns WHERE id = $1'
    expect(await stores.postgres.primary.query(kept, [turn.id])).toEqual([{ prompt_id: null }])
    await hears(id, 'message.part.updated', 2)
    await sameState(id)
    await worker.complete(turn)
  })

  test('WHEN it is aborted THEN the log has it with an answer that says so, and the session is idle', async () => {
    const { id } = await create()
    await prompt(id, 'never')
    await abort(id)
    await hears(id, 'session.idle')
    expect(heard(id).find(({ type }) => type === 'session.error')?.properties).toMatchObject({
      error: { name: 'MessageAbortedError' },
    })
    await hears(id, 'message.updated', 3)
    const [asked, answer, ...more] = await messages(id)
    expect(more).toEqual([])
    expect(asked).toMatchObject({ info: { role: 'user' }, parts: [{ text: 'never' }] })
    expect(answer).toMatchObject({
      info: {
        role: 'assistant',
        parentID: asked?.info.id,
        error: { name: 'MessageAbortedError', data: { message: /before it began/ } },
      },
    })
    expect(await status(id)).toBeUndefined()
    await sameState(id)
  })

  test('WHEN the engine does not want it THEN it is taken back', async () => {
    const { id } = await create()
    await prompt(id, 'refused')
    const turn = await worker.claim(id)
    await worker.send(turn.id, 'POST', '/complete', {
      fence: turn.fence,
      outcome: 'completed',
      response: { status: 400, headers: {}, body: { data: { message: 'no' } } },
    })
    await hears(id, 'message.removed')
    expect(await messages(id)).toEqual([])
    await sameState(id)
  })
})

describe('GIVEN a prompt that is sent while another runs', () => {
  test('THEN it is seen at once, the first one leaves the session busy, and it runs next', async () => {
    const { id } = await create()
    await prompt(id, 'first')
    const turn = await worker.claim(id)
    await take(turn, (await messages(id))[0] as Message)
    await prompt(id, 'second')
    expect((await messages(id)).map(({ parts }) => parts[0]?.text)).toEqual(['first', 'second'])
    await worker.append(turn, [], idle(id))
    await worker.complete(turn)
    const next = await worker.claim(id)
    await take(next, (await messages(id))[1] as Message)
    expect(types(id)).not.toContain('session.idle')
    await worker.append(next, [], idle(id))
    await worker.complete(next)
    await hears(id, 'session.idle')
    await sameState(id)
  })

  test('WHEN both are aborted THEN the second is reported and kept, after the first has ended', async () => {
    const { id } = await create()
    await prompt(id, 'first')
    const turn = await worker.claim(id)
    await take(turn, (await messages(id))[0] as Message)
    await prompt(id, 'second')
    await abort(id)
    await hears(id, 'session.error')
    expect(types(id)).not.toContain('session.idle')
    expect((await messages(id)).map(({ parts }) => parts[0]?.text)).toEqual(['first', 'second'])
    await worker.send(turn.id, 'POST', '/complete', {
      fence: turn.fence,
      outcome: 'aborted',
      response: { status: 200, headers: {}, body: {} },
    })
    await hears(id, 'session.idle')
    expect((await messages(id)).map(({ info }) => info.role)).toEqual(['user', 'user', 'assistant'])
    await sameState(id)
  })
})

describe('GIVEN a prompt that is refused', () => {
  test('THEN the streams carry the sentence of the answer', async () => {
    const { id } = await create()
    for (const text of ['one', 'two', 'three']) expect((await prompt(id, text)).status).toBe(204)
    const refused = await prompt(id, 'four')
    expect(refused.status).toBe(429)
    const { detail } = (await refused.json()) as { detail: string }
    await hears(id, 'session.error')
    const [error] = heard(id).filter(({ type }) => type === 'session.error')
    expect(error?.properties).toMatchObject({ error: { data: { message: detail } } })
    expect(types(id)).not.toContain('session.idle')
    await abort(id)
    const other = await create()
    const invalid = await prompt(other.id, 'x', { messageID: 'nonsense' })
    expect(invalid.status).toBe(400)
    await hears(other.id, 'session.idle')
    expect(types(other.id).filter((type) => type === 'session.error')).toHaveLength(1)
  })
})

describe('GIVEN a client whose clock is ten minutes off', () => {
  test.each([600_000, -600_000])(
    'WHEN its ids are %d ms away THEN the service makes them, and clients forget theirs',
    async (offset) => {
      const { id } = await create()
      await prompt(id, 'before')
      await abort(id)
      const messageID = createID('message', Date.now() + offset)
      await prompt(id, 'shifted', { messageID })
      const all = await messages(id)
      expect(all.map(({ parts }) => parts[0]?.text)).toEqual(['before', undefined, 'shifted'])
      expect(all.map(({ info }) => info.id)).not.toContain(messageID)
      if (offset > 0) await hears(id, 'message.removed')
      await abort(id)
    },
  )
})

describe('GIVEN a prompt with its own message id that is sent again', () => {
  test('THEN it is one turn', async () => {
    const { id } = await create()
    const messageID = createID('message')
    await prompt(id, 'once', { messageID })
    expect((await prompt(id, 'once', { messageID })).status).toBe(204)
    const rows = await stores.postgres.primary.query('SELECT 1 FROM turns WHERE session_id = $1', [
      id,
    ])
    expect(rows).toHaveLength(1)
    await abort(id)
  })
})
