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
import { drives, type Call, type Fixture, type World } from './support/endpoints.ts'
import { ScriptedWorker, type HeldTurn } from './support/scripted-worker.ts'
import { until } from './support/until.ts'
import { newID } from './support/worker.ts'

interface Message {
  info: { id: string }
  parts: ({ id: string } & Record<string, unknown>)[]
}

const words = 'words of acme that nobody else may read'
const requests = {
  permission: 'per_0123456789abcdef0123456789',
  question: 'que_0123456789abcdef0123456789',
}
let stores: Stores
let api: TestApi
let worker: ScriptedWorker
let owner: Client
let stranger: Client
let fixture: Fixture
/** Every session of the owner, their order included. */
let before: string
let held: HeldTurn

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores)
  worker = new ScriptedWorker(api.url, stores)
  owner = new Client(api.url, await token('acme'))
  stranger = new Client(api.url, await token('other', { user: 'user' }))
  // A tenant that has sessions of its own, so that an empty answer is not the only one there is.
  await stranger.call('POST', '/session', { title: 'of the other' })
  fixture = await fill()
  before = await everything()
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

/** A session with a message, whose second turn runs and waits for two answers. */
async function fill(): Promise<Fixture> {
  const { id, directory } = await owner.call<{ id: string; directory: string }>(
    'POST',
    '/session',
    { title: words },
  )
  await owner.call('POST', '/session', { parentID: id, title: words })
  await owner.call('POST', `/session/${id}/prompt_async`, {
    parts: [{ type: 'text', text: words }],
  })
  held = await worker.claim(id)
  const asked = Object.entries(requests).map(([kind, request]) => ({
    id: newID('evt'),
    type: `${kind}.asked`,
    properties: { id: request, sessionID: id, text: words },
  }))
  const todo = {
    id: newID('evt'),
    type: 'todo.updated',
    properties: {
      sessionID: id,
      todos: [{ content: words, status: 'pending', priority: 'low', id: '1' }],
    },
  }
  expect(
    (
      await worker.append(held, worker.message(id, (await worker.head(id)) + 1, words), [
        ...asked,
        todo,
      ])
    ).status,
  ).toBe(200)
  const [message] = await owner.call<Message[]>('GET', `/session/${id}/message`)
  const part = message?.parts[0]
  if (message === undefined || part === undefined) throw new Error('the message was not stored')
  return { id, directory, messageID: message.info.id, partID: part.id, part }
}

/** What the owner has, as text. */
async function everything(): Promise<string> {
  const paths = [
    '/session',
    `/session/${fixture.id}/children`,
    `/session/${fixture.id}/message`,
    `/session/${fixture.id}/todo`,
    '/permission',
    '/question',
  ]
  return JSON.stringify([
    await Promise.all(paths.map((path) => owner.call('GET', path))),
    await stores.postgres.primary.query(
      `SELECT id, status, abort, request::text FROM turns WHERE tenant = 'acme' ORDER BY id`,
    ),
  ])
}

/** Calls that name what is the owner's. */
function world(client: Client): World {
  return {
    client,
    kept: fixture,
    empty: () => Promise.resolve(fixture),
    prompted: () => Promise.resolve(fixture),
    asking: (kind) => Promise.resolve({ id: fixture.id, requestID: requests[kind] }),
  }
}

/** An endpoint's path with the owner's ids wherever ids go. */
function pathOf(template: string, { params = {}, query = {} }: Call): string {
  const { id: sessionID, messageID, partID } = fixture
  const ids: Record<string, string> = {
    sessionID,
    messageID,
    partID,
    requestID: requests.permission,
    ...params,
  }
  const path = template
    .replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'x')
    .replace('*', 'file')
  return `${path}?${new URLSearchParams({ ...query, directory: fixture.directory }).toString()}`
}

/** The status and the first words of an answer; a stream is read for a moment only. */
async function answerOf(
  client: Client,
  endpoint: string,
): Promise<{ status: number; said: string }> {
  const [method = '', template = ''] = endpoint.split(' ')
  const { body, ...call } = (await drives[endpoint]?.call(world(client))) ?? {}
  const abort = new AbortController()
  const response = await client.send(method, pathOf(template, call), body, {}, abort.signal)
  if (response.headers.get('content-type') !== 'text/event-stream')
    return { status: response.status, said: await response.text() }
  const first = await response.body?.getReader().read()
  abort.abort()
  return {
    status: response.status,
    said: Buffer.from((first?.value as Uint8Array | undefined) ?? []).toString(),
  }
}

describe('GIVEN another tenant that knows every id', () => {
  test.each(engine.endpoints)('%s shows and changes nothing', async (endpoint) => {
    const { status, said } = await answerOf(stranger, endpoint)
    for (const secret of [words, fixture.messageID, fixture.partID])
      expect(said.replaceAll(/"detail":"[^"]*"|"message":"[^"]*"/g, '')).not.toContain(secret)
    if (/\{(sessionID|requestID)\}/.test(endpoint) && drives[endpoint] !== undefined)
      expect({ status, said }).toMatchObject({ status: 404 })
    else expect(status).toBeOneOf([200, 204, 404, 501])
  })

  test('THEN the owner has all that it had, and no turn was made', async () => {
    expect(await everything()).toBe(before)
  })

  test('WHEN it resumes a stream from the beginning THEN only its own events come', async () => {
    for (const path of ['/event', '/global/event', `/event?directory=${fixture.directory}`]) {
      const stream = await stranger.events(path, 0)
      await owner.call('POST', '/session', { title: words })
      await stranger.call('POST', '/session', { title: `marker of ${path}` })
      const all = () => JSON.stringify(stream.frames)
      if (path.includes('directory'))
        await until(() => stream.frames.length > 0, 30_000, 'the stream')
      else await until(() => all().includes(`marker of ${path}`), 30_000, 'the marker')
      expect(all()).not.toContain(words)
      stream.close()
    }
  })

  test("WHEN it uses the owner's Idempotency-Key THEN it gets a turn of its own", async () => {
    const send = async (client: Client) => {
      const { id } = await client.call<{ id: string }>('POST', '/session', {})
      const response = await client.send(
        'POST',
        `/session/${id}/prompt_async`,
        { parts: [{ type: 'text', text: 'x' }] },
        { 'idempotency-key': 'the-same' },
      )
      expect(response.status).toBe(204)
    }
    await send(owner)
    await send(stranger)
    const turns = await stores.postgres.primary.query(
      `SELECT tenant FROM turns WHERE idempotency_key = 'the-same' ORDER BY tenant`,
    )
    expect(turns).toEqual([{ tenant: 'acme' }, { tenant: 'other' }])
  })

  test("WHEN its worker writes to the owner's session THEN the write is refused", async () => {
    const { id } = await stranger.call<{ id: string }>('POST', '/session', {})
    await stranger.call('POST', `/session/${id}/prompt_async`, {
      parts: [{ type: 'text', text: 'x' }],
    })
    const turn = await worker.claim(id)
    const head = await worker.head(fixture.id)
    const durable = worker.message(fixture.id, head + 1, 'forged')
    expect((await worker.append(turn, durable)).status).toBe(403)
    const created = {
      sessionID: fixture.id,
      info: { id: newID('evt'), parentID: fixture.id, directory: fixture.directory },
    }
    const child = {
      id: newID('evt'),
      aggregateID: 'ses_forgedforgedforged',
      seq: 0,
      type: 'session.created.1',
      data: created,
    }
    expect((await worker.append(turn, [child])).status).toBeOneOf([200, 403])
    expect(await worker.head(fixture.id)).toBe(head)
    expect(
      JSON.stringify(await owner.call('GET', `/session/${fixture.id}/children`)),
    ).not.toContain('forged')
    // A question that its turn asks cannot be one of the owner's session.
    const asked = {
      id: newID('evt'),
      type: 'permission.asked',
      properties: { id: 'per_forgedforgedforged', sessionID: fixture.id },
    }
    await worker.append(turn, [], [asked])
    expect(JSON.stringify(await owner.call('GET', '/permission'))).not.toContain('forged')
    const todo = {
      id: newID('evt'),
      type: 'todo.updated',
      properties: { sessionID: fixture.id, todos: ['forged'] },
    }
    await worker.append(turn, [], [todo])
    expect(JSON.stringify(await owner.call('GET', `/session/${fixture.id}/todo`))).not.toContain(
      'forged',
    )
  })
})

describe('GIVEN no credentials, or those of a turn', () => {
  test.each(engine.endpoints)('%s asks who is there', async (endpoint) => {
    const nobody = await answerOf(new Client(api.url, 'not.a.token'), endpoint)
    expect(nobody).toMatchObject({
      status: 401,
      said: expect.stringContaining('"title":"Not authenticated"') as string,
    })
  })

  test("WHEN a turn's token is used as a client's, or a client's as a turn's THEN it is refused", async () => {
    const { tokens } = api.services
    const turn = await tokens.sign(
      { turn: held.id, session: fixture.id, tenant: 'acme' },
      new Date(Date.now() + 60_000),
    )
    expect((await new Client(api.url, turn).send('GET', '/session')).status).toBe(401)
    for (const path of [`/internal/turns/${held.id}/history`, '/internal/llm/scripted/v1/messages'])
      expect((await owner.send('GET', path)).status).toBe(401)
  })

  test("WHEN a turn's token is used for another turn THEN it is refused", async () => {
    const turn = await api.services.tokens.sign(
      { turn: 'turn_other', session: fixture.id, tenant: 'acme' },
      new Date(Date.now() + 60_000),
    )
    for (const [method, path] of [
      ['POST', 'claim'],
      ['POST', 'history'],
      ['GET', 'heads'],
      ['POST', 'events'],
      ['POST', 'sandbox'],
      ['POST', 'sandbox/end'],
      ['GET', 'workspace'],
      ['PUT', 'workspace'],
      ['POST', 'complete'],
    ] as const) {
      const response = await new Client(api.url, turn).send(
        method,
        `/internal/turns/${held.id}/${path}`,
        method === 'GET' ? undefined : {},
      )
      expect({ path, status: response.status }).toEqual({ path, status: 403 })
    }
  })
})
