import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { ScriptedWorker } from './support/scripted-worker.ts'
import { fileIn, snapshotOf } from './support/snapshot-store.ts'
import { newID } from './support/worker.ts'

interface Session {
  id: string
  directory: string
  path: string
}

let stores: Stores
let api: TestApi

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores)
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

describe('GIVEN a session with files', () => {
  test('WHEN it is forked THEN the fork has a directory of its own, and requests that name it get the fork and its files', async () => {
    const client = new Client(api.url, await token('acme'))
    const worker = new ScriptedWorker(api.url, stores)
    const source = await client.call<Session>('POST', '/session', {})
    const answer = client.send('POST', `/session/${source.id}/fork`, {})
    const turn = await worker.claim(source.id)
    await worker.send(turn.id, 'PUT', '/workspace', await snapshotOf('file', 'content'), {
      'x-opencode-fence': turn.fence.toString(),
    })
    // The engine gives a fork its source's directory.
    const id = `ses_${newID('evt').slice(4)}`
    const info = { ...source, id }
    const event = (seq: number, type: string) => ({
      id: newID('evt'),
      aggregateID: id,
      seq,
      type,
      data: { sessionID: id, info },
    })
    for (const [seq, type] of ['session.created.1', 'session.updated.1'].entries())
      expect((await worker.append(turn, [event(seq, type)])).status).toBe(200)
    expect((await worker.complete(turn, info)).status).toBe(200)
    const directory = source.directory.replace(source.id, id)
    expect(await (await answer).json()).toMatchObject({ id, directory, path: directory.slice(1) })
    expect(await client.call('GET', `/session/${id}`)).toMatchObject({ id, directory })
    expect(
      (await client.call<Session[]>('GET', `/session?directory=${source.directory}`)).map(
        (session) => session.id,
      ),
    ).toEqual([source.id])

    const read = client.send('GET', `/file/content?path=file&directory=${directory}`)
    const reading = await worker.claim(id)
    const snapshot = await (await worker.send(reading.id, 'GET', '/workspace')).arrayBuffer()
    expect(await fileIn(new Uint8Array(snapshot), 'file')).toBe('content')
    await worker.complete(reading, { content: 'file' })
    expect((await read).status).toBe(200)
  })
})

describe('GIVEN a fork that is over', () => {
  test('WHEN it is asked for again with its key THEN its files are those of its source, stored once, and its answer is our own row', async () => {
    const client = new Client(api.url, await token('acme'))
    const worker = new ScriptedWorker(api.url, stores)
    const source = await client.call<Session>('POST', '/session', {})
    const other = await client.call<Session>('POST', '/session', {})
    const fork = () =>
      client.send('POST', `/session/${source.id}/fork`, {}, { 'idempotency-key': 'fork-once' })
    const answer = fork()
    const turn = await worker.claim(source.id)
    await worker.send(turn.id, 'PUT', '/workspace', await snapshotOf('file', 'content'), {
      'x-opencode-fence': turn.fence.toString(),
    })
    const { id } = await worker.beginFork(turn)
    // A worker that names another session gives nothing to it.
    expect((await worker.complete(turn, { id: other.id })).status).toBe(200)
    expect((await worker.complete(turn, { id: other.id })).status).toBe(200)
    expect(await (await answer).json()).toMatchObject({ id })
    for (let time = 0; time < 5; time++) expect(await (await fork()).json()).toMatchObject({ id })
    const stored = await stores.postgres.primary.query<{ root_id: string; store_id: string }>(
      `SELECT root_id, store_id FROM snapshots WHERE root_id IN ($1, $2, $3) ORDER BY root_id = $1`,
      [source.id, id, other.id],
    )
    expect(stored).toEqual([
      { root_id: id, store_id: source.id },
      { root_id: source.id, store_id: source.id },
    ])
  })

  test('WHEN no session was begun THEN it has failed, whatever its worker says', async () => {
    const client = new Client(api.url, await token('acme'))
    const worker = new ScriptedWorker(api.url, stores)
    const source = await client.call<Session>('POST', '/session', {})
    const other = await client.call<Session>('POST', '/session', {})
    const answer = client.send('POST', `/session/${source.id}/fork`, {})
    await worker.complete(await worker.claim(source.id), { id: other.id })
    expect((await answer).status).toBe(502)
  })
})
