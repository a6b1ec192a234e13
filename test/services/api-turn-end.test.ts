import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type EventReader,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { ScriptedWorker, type HeldTurn } from './support/scripted-worker.ts'
import { until } from './support/until.ts'

let stores: Stores
let api: TestApi
let worker: ScriptedWorker
let client: Client

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores)
  worker = new ScriptedWorker(api.url, stores)
  client = new Client(api.url, await token('acme'))
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

/** A session with a prompt that nobody waits for, and what its clients hear. */
async function prompted(): Promise<{ id: string; directory: string; stream: EventReader }> {
  const { id, directory } = await client.call<{ id: string; directory: string }>(
    'POST',
    '/session',
    {},
  )
  const stream = await client.events(`/event?directory=${directory}`)
  await until(() => stream.frames.length > 0, 30_000, 'the stream')
  await client.call('POST', `/session/${id}/prompt_async`, { parts: [{ type: 'text', text: 'x' }] })
  return { id, directory, stream }
}

/** What is said of sessions, without the prompt's acceptance. */
const said = ({ frames }: EventReader) =>
  frames
    .map(({ data }) => data)
    .filter(({ type, properties: { status } }) => {
      const isBusy = (status as { type?: string } | undefined)?.type === 'busy'
      return type.startsWith('session.') && !isBusy
    })
const types = (stream: EventReader) => said(stream).map(({ type }) => type)

/** Waits for the session's end as clients see it. @returns the error's name and message */
async function failure({ stream, id }: { stream: EventReader; id: string }): Promise<unknown> {
  await until(() => types(stream).includes('session.idle'), 30_000, 'session.idle')
  expect(types(stream)).toEqual(['session.error', 'session.status', 'session.idle'])
  const [error, status, idle] = said(stream).map(({ properties }) => properties)
  expect(status).toEqual({ sessionID: id, status: { type: 'idle' } })
  expect(idle).toEqual({ sessionID: id })
  stream.close()
  return error?.['error']
}

const end = ({ id, fence }: HeldTurn, status: number, body: unknown) =>
  worker.send(id, 'POST', '/complete', {
    fence,
    outcome: status < 400 ? 'completed' : 'failed',
    response: { status, headers: {}, body },
  })

describe('GIVEN a prompt whose client does not wait for the answer', () => {
  test('WHEN its worker gives up THEN clients hear why, and that the session is idle', async () => {
    const session = await prompted()
    await end(await worker.claim(session.id), 502, {
      status: 502,
      detail: 'The turn failed 4 times.',
    })
    expect(await failure(session)).toEqual({
      name: 'UnknownError',
      data: { message: 'The turn failed 4 times.' },
    })
  })

  test('WHEN the engine refuses it THEN clients hear that too', async () => {
    const session = await prompted()
    await end(await worker.claim(session.id), 400, {
      name: 'BadRequest',
      data: { message: 'no such model' },
    })
    expect(await failure(session)).toEqual({
      name: 'UnknownError',
      data: { message: 'no such model' },
    })
  })

  test('WHEN it is aborted before a worker has it THEN clients hear that', async () => {
    const session = await prompted()
    await client.call('POST', `/session/${session.id}/abort`)
    expect(await failure(session)).toEqual({
      name: 'MessageAbortedError',
      data: { message: 'the turn was aborted before it began' },
    })
  })

  test('WHEN its time is over and no worker ends it THEN clients hear that', async () => {
    const session = await prompted()
    await stores.postgres.primary.query(
      `UPDATE turns SET deadline = now() - interval '1 hour' WHERE session_id = $1`,
      [session.id],
    )
    await api.reaper.round()
    expect(await failure(session)).toEqual({
      name: 'UnknownError',
      data: { message: 'the turn took longer than it may' },
    })
  })

  test('WHEN the engine answers THEN the API adds nothing to what the engine has said', async () => {
    const session = await prompted()
    await end(await worker.claim(session.id), 200, {})
    await client.call('PATCH', `/session/${session.id}`, { title: 'afterwards' })
    await until(() => types(session.stream).length > 0, 30_000, 'the next event')
    expect(types(session.stream)).toEqual(['session.updated'])
    session.stream.close()
  })
})

describe('GIVEN a shell command', () => {
  test('THEN its message has an id before it is queued, so that a second delivery is the same message', async () => {
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    const answer = client.send('POST', `/session/${id}/shell`, { agent: 'build', command: 'true' })
    const turn = await worker.claim(id)
    const [stored] = await stores.postgres.primary.query<{ request: { body: unknown } }>(
      'SELECT request FROM turns WHERE id = $1',
      [turn.id],
    )
    expect(stored?.request.body).toMatchObject({
      agent: 'build',
      command: 'true',
      messageID: expect.stringMatching(/^msg_/) as string,
    })
    await end(turn, 200, {})
    expect((await answer).status).toBe(200)
  })
})

describe('GIVEN a read of files that waits for a worker', () => {
  test('THEN it makes no session busy, and its failure is an answer and no event', async () => {
    const { id, directory } = await client.call<{ id: string; directory: string }>(
      'POST',
      '/session',
      {},
    )
    const stream = await client.events(`/event?directory=${directory}`)
    const answer = client.send('GET', `/file?directory=${directory}&path=nothing`)
    const turn = await worker.claim(id)
    expect(await client.call('GET', '/session/status')).not.toHaveProperty(id)
    await end(turn, 500, {})
    expect((await answer).status).toBe(500)
    await client.call('PATCH', `/session/${id}`, { title: 'afterwards' })
    await until(() => types(stream).length > 0, 30_000, 'the next event')
    expect(types(stream)).toEqual(['session.updated'])
    stream.close()
  })
})

describe('GIVEN a session with rules of its own', () => {
  test('WHEN rules are sent THEN they are added, as the engine does; fields it does not know are left out', async () => {
    const rule = (pattern: string) => ({ permission: 'bash', pattern, action: 'deny' })
    const created = await client.call<{ id: string }>('POST', '/session', {
      permission: [rule('a')],
      fromTheFuture: true,
    })
    expect(created).not.toHaveProperty('fromTheFuture')
    expect(
      await client.call('PATCH', `/session/${created.id}`, {
        permission: [rule('b')],
        fromTheFuture: true,
      }),
    ).toMatchObject({ permission: [rule('a'), rule('b')] })
    expect(
      await client.call('PATCH', `/session/${created.id}`, { title: 'Another' }),
    ).toMatchObject({ permission: [rule('a'), rule('b')] })
  })
})

describe('GIVEN a session with three messages behind a prompt that no engine has taken', () => {
  test("WHEN they are read in pages THEN each names the next; a message's diff is its own", async () => {
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    await client.call('POST', `/session/${id}/prompt_async`, {
      parts: [{ type: 'text', text: 'x' }],
    })
    const turn = await worker.claim(id)
    const events = ['one', 'two', 'three'].flatMap((words, index) =>
      worker.message(id, 1 + 2 * index, words),
    )
    const diffs = [{ file: 'note.txt', additions: 1, deletions: 0 }]
    const last = events.at(-2)?.data['info'] as { id: string; summary?: unknown }
    last.summary = { diffs }
    expect((await worker.append(turn, events)).status).toBe(200)
    const texts: string[] = []
    for (let path: string | undefined = `/session/${id}/message?limit=2`; path !== undefined;) {
      const page = await client.send('GET', path)
      texts.unshift(
        ...((await page.json()) as { parts: { text: string }[] }[]).map(
          ({ parts }) => parts[0]?.text ?? '',
        ),
      )
      path = /^<(.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1]
      expect(page.headers.has('x-next-cursor')).toBe(path !== undefined)
    }
    expect(texts).toEqual(['x', 'one', 'two', 'three'])
    expect(await client.call('GET', `/session/${id}/message?limit=0`)).toHaveLength(4)
    expect(await client.call('GET', `/session/${id}/diff?messageID=${last.id}`)).toEqual(diffs)
    expect(await client.call('GET', `/session/${id}/diff`)).toEqual([])
  })
})
