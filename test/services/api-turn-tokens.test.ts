import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { ScriptedWorker, type HeldTurn } from './support/scripted-worker.ts'

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

async function startTurn(): Promise<HeldTurn> {
  const { id } = await client.call<{ id: string }>('POST', '/session', {})
  await client.send('POST', `/session/${id}/prompt_async`, { parts: [{ type: 'text', text: 'a' }] })
  return worker.claim(id)
}

/** What a token of this attempt gets where it reads, and where it calls a model. */
async function reached({ id, sessionID }: HeldTurn, attempt?: number): Promise<number[]> {
  const bearer = await api.services.tokens.sign(
    { turn: id, session: sessionID, tenant: 'acme', attempt },
    new Date(Date.now() + 3_600_000),
  )
  const ask = new Client(api.url, bearer)
  const answers = [
    await ask.send('POST', `/internal/turns/${id}/history`, {}),
    await ask.send('GET', `/internal/turns/${id}/workspace`),
    await ask.send('POST', '/internal/llm/nobody/v1/chat/completions', {}),
  ]
  return answers.map(({ status }) => status)
}

describe("GIVEN a turn's token", () => {
  test('WHEN the turn runs THEN it reads and calls models; WHEN it is over THEN it does neither', async () => {
    const turn = await startTurn()
    expect(await reached(turn, 1)).toEqual([200, 204, 404])
    await worker.complete(turn)
    expect(await reached(turn, 1)).toEqual([403, 403, 403])
  })

  test('WHEN another attempt has the turn THEN the earlier token reads nothing and cannot take it', async () => {
    const turn = await startTurn()
    await stores.postgres.primary.query('UPDATE turns SET attempt = 2 WHERE id = $1', [turn.id])
    expect(await reached(turn, 1)).toEqual([403, 403, 403])
    expect(await reached(turn, 2)).toEqual([200, 204, 404])
    const bearer = await api.services.tokens.sign(
      { turn: turn.id, session: turn.sessionID, tenant: 'acme', attempt: 1 },
      new Date(Date.now() + 3_600_000),
    )
    const taken = await new Client(api.url, bearer).send(
      'POST',
      `/internal/turns/${turn.id}/claim`,
      { worker: 'late' },
    )
    expect(taken.status).toBe(409)
  })
})

describe('GIVEN a request that a turn waits for', () => {
  test('WHEN another turn of the tenant says that it was answered, or asks in its name THEN nothing changes', async () => {
    const [mine, other] = [await startTurn(), await startTurn()]
    const event = (type: string, properties: object) => [
      { id: 'evt_x', type, properties: { ...properties } },
    ]
    const asked = (id: string) => ({ id, sessionID: mine.sessionID, permission: 'bash' })
    await worker.append(mine, [], event('permission.asked', asked('per_mine1')))
    const forged = { sessionID: other.sessionID, requestID: 'per_mine1' }
    await worker.append(other, [], event('permission.replied', forged))
    await worker.append(other, [], event('permission.asked', asked('per_other')))
    const open = await client.call<{ id: string }[]>('GET', '/permission')
    expect(open.map(({ id }) => id)).toEqual(['per_mine1'])
    const replied = { sessionID: mine.sessionID, requestID: 'per_mine1' }
    await worker.append(mine, [], event('permission.replied', replied))
    expect(await client.call('GET', '/permission')).toEqual([])
  })
})
