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
    await worker.send(turn.id, 'PUT', '/workspace', Buffer.from('files'), {
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
    expect(await (await worker.send(reading.id, 'GET', '/workspace')).text()).toBe('files')
    await worker.complete(reading, { content: 'file' })
    expect((await read).status).toBe(200)
  })
})
