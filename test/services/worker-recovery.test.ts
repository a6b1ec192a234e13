import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Client, EventReader } from './support/api.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

interface Part {
  id: string
  type: string
  text?: string
  tool?: string
  state?: { status: string; output?: string; error?: string }
}
interface Message {
  info: { id: string; role: string; time: { completed?: number } }
  parts: Part[]
}

let system: System
let client: Client

beforeAll(async () => {
  system = await startSystem({ turnSilenceSeconds: 3 }, { pool: 2 })
  client = await system.client()
})
afterAll(() => system.stop())

beforeEach(({ onTestFailed }) => {
  onTestFailed(() => {
    process.stderr.write(`the worker said:\n${system.worker.process.log.slice(-8_000)}\n`)
  })
})

const bash = (command: string) =>
  `[[tool bash ${JSON.stringify({ command, description: 'A test' })}]]`
const prompt = (text: string) => ({ parts: [{ type: 'text', text }] })
const newSession = async () => (await client.call<{ id: string }>('POST', '/session', {})).id
const messages = (session: string) => client.call<Message[]>('GET', `/session/${session}/message`)
/** Waits for the claim of another worker, and prints how long after the loss it came. */
async function gapAfter(lost: number, session: string): Promise<void> {
  const taken = async () => {
    const { rows } = await system.api.services.database.query(
      `SELECT 1 FROM turns WHERE session_id = $1 AND status <> 'queued' AND worker = $2`,
      [session, system.worker.name],
      { read: 'primary' },
    )
    return rows.length > 0
  }
  await until(taken, 60_000, 'another worker to take the turn over')
  const gap = performance.now() - lost
  // Printed, not asserted: a busy machine is no failure. The target is 5 s.
  process.stdout.write(`another worker had the turn after ${gap.toFixed(0)} ms\n`)
}
const tools = async (session: string) =>
  (await messages(session)).flatMap(({ parts }) => parts).filter(({ type }) => type === 'tool')

/** What a client has built from events alone: the last state of every part. */
function seenParts(events: EventReader, session: string): Map<string, Part> {
  const parts = new Map<string, Part>()
  for (const { data } of events.frames) {
    const part = data.properties['part'] as (Part & { sessionID: string }) | undefined
    if (data.type === 'message.part.updated' && part?.sessionID === session)
      parts.set(part.id, part)
  }
  return parts
}

describe('GIVEN a worker killed in the middle of a tool call', () => {
  test('WHEN another one takes the turn THEN it completes, no event lost or doubled', async () => {
    const events = await client.events()
    await system.startSpare()
    const session = await newSession()
    const answer = client.send(
      'POST',
      `/session/${session}/message`,
      prompt(bash('echo once >> runs; sleep 20; echo over $(wc -l < runs)')),
      { 'idempotency-key': 'one-turn' },
    )
    await until(
      async () => (await tools(session)).some(({ state }) => state?.status === 'running'),
      180_000,
      'the tool to run',
    )
    await gapAfter(await system.loseWorker(), session)
    const response = await answer
    expect(response.status).toBe(200)
    expect(
      ((await response.json()) as Message).parts.map(({ text }) => text ?? '').join(''),
    ).toContain('The tool said: over 1')

    // The log: one gapless sequence, every event once.
    const { rows } = await system.api.services.database.query<{
      seq: string
      event_id: string
      tenant_seq: string
    }>(
      'SELECT seq, event_id, tenant_seq FROM session_events WHERE session_id = $1 ORDER BY seq',
      [session],
      { read: 'primary' },
    )
    expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, index) => index))
    expect(new Set(rows.map(({ event_id }) => event_id)).size).toBe(rows.length)

    // The client that watched: the same events, in order, once.
    const last = Number(rows.at(-1)?.tenant_seq)
    await until(() => events.frames.some(({ id }) => id === last), 60_000, 'the last event')
    const ids = events.frames.flatMap(({ id }) => id ?? [])
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
    expect(
      rows.map(({ tenant_seq }) => Number(tenant_seq)).filter((id) => !ids.includes(id)),
    ).toEqual([])
    events.close()

    // And both tell the same story, in which nothing is open any more and the prompt was said once.
    const stored = await messages(session)
    const parts = stored.flatMap(({ parts: list }) => list)
    expect(
      [...seenParts(events, session).values()].sort((a, b) => a.id.localeCompare(b.id)),
    ).toEqual([...parts].sort((a, b) => a.id.localeCompare(b.id)))
    expect(stored.filter(({ info }) => info.role === 'user')).toHaveLength(1)
    expect(
      stored.filter(({ info }) => info.role === 'assistant' && info.time.completed === undefined),
    ).toEqual([])
    expect(parts.filter(({ type }) => type === 'tool').map(({ state }) => state?.status)).toEqual([
      'completed',
    ])
    const { rows: turns } = await system.api.services.database.query<{
      status: string
      attempt: number
    }>('SELECT status, attempt FROM turns WHERE session_id = $1', [session], { read: 'primary' })
    expect(turns).toEqual([{ status: 'completed', attempt: 2 }])
  })

  test('WHEN the model had not answered yet THEN it is asked once more, and the answer is whole', async () => {
    await system.startSpare()
    const session = await newSession()
    const text = '[[silent 8000]] [[say asked again]] a question that waits'
    const answer = client.call<Message>('POST', `/session/${session}/message`, prompt(text))
    const calls = () =>
      system.models.openai.calls.filter(({ body }) =>
        JSON.stringify(body).includes('a question that waits'),
      )
    await until(() => calls().length > 0, 60_000, 'the call')
    const before = calls().length
    await gapAfter(await system.loseWorker(), session)
    expect((await answer).parts.map(({ text: said }) => said ?? '').join('')).toBe('asked again')
    expect(calls().length).toBeLessThanOrEqual(2 * before)
    expect((await messages(session)).map(({ info }) => info.role)).toEqual(['user', 'assistant'])
  })

  test('WHEN the model was in the middle of its answer THEN half of it does not pass for the whole', async () => {
    await system.startSpare()
    const session = await newSession()
    const said = 'one two three four five six seven eight nine ten eleven twelve thirteen'
    const answer = client.call<Message>(
      'POST',
      `/session/${session}/message`,
      prompt(`[[slow 6000]] [[say ${said}]]`),
    )
    const isSpeaking = async () => {
      const stored = await messages(session)
      return stored.some(
        ({ info, parts }) => info.role === 'assistant' && parts.some(({ type }) => type === 'text'),
      )
    }
    await until(isSpeaking, 60_000, 'the answer to begin')
    await gapAfter(await system.loseWorker(), session)
    const { parts } = await answer
    expect(parts.filter(({ type }) => type === 'text').at(-1)?.text).toBe(said)
  })

  test('WHEN its client asks again with the same key THEN it gets the same turn', async () => {
    const session = await newSession()
    const headers = { 'idempotency-key': 'the-same-turn' }
    const body = prompt('[[say once]]')
    const send = () =>
      client
        .send('POST', `/session/${session}/message`, body, headers)
        .then((response) => response.json() as Promise<Message>)
    const [first, second] = await Promise.all([send(), send()])
    const third = await send()
    expect(new Set([first, second, third].map(({ info }) => info.id)).size).toBe(1)
    expect((await messages(session)).map(({ info }) => info.role)).toEqual(['user', 'assistant'])
    expect(
      (await client.send('POST', `/session/${session}/message`, prompt('another'), headers)).status,
    ).toBe(422)
  })
})

describe('GIVEN a tenant whose policy asks before shell commands', () => {
  test('WHEN a tool asks THEN its client is told, answers, and the turn goes on', async () => {
    const careful = await system.client('careful')
    const session = (await careful.call<{ id: string }>('POST', '/session', {})).id
    await system.api.services.database.query('UPDATE tenants SET config = $2 WHERE id = $1', [
      'careful',
      JSON.stringify({ permission: { bash: 'ask' } }),
    ])
    const events = await careful.events()
    const answer = careful.call<Message>(
      'POST',
      `/session/${session}/message`,
      prompt(bash('echo allowed')),
    )
    await until(
      () => events.frames.some(({ data }) => data.type === 'permission.asked'),
      180_000,
      'the question',
    )
    const [asked] = await careful.call<{ id: string; permission: string }[]>('GET', '/permission')
    expect(asked).toMatchObject({ permission: 'bash' })
    expect(await client.call('GET', '/permission')).toEqual([])
    expect(
      (await client.send('POST', `/permission/${String(asked?.id)}/reply`, { reply: 'once' }))
        .status,
    ).toBe(404)
    await careful.call('POST', `/permission/${String(asked?.id)}/reply`, { reply: 'once' })
    expect((await answer).parts.map(({ text }) => text ?? '').join('')).toContain(
      'The tool said: allowed',
    )
    expect(await careful.call('GET', '/permission')).toEqual([])
    events.close()
  })

  test('WHEN its answer is no THEN the tool does not run', async () => {
    const careful = await system.client('careful')
    const session = (await careful.call<{ id: string }>('POST', '/session', {})).id
    const answer = careful.call<Message>(
      'POST',
      `/session/${session}/message`,
      prompt(bash('echo allowed')),
    )
    let asked: { id: string }[] = []
    await until(
      async () => (asked = await careful.call<{ id: string }[]>('GET', '/permission')).length > 0,
      180_000,
      'the question',
    )
    await careful.call('POST', `/permission/${String(asked[0]?.id)}/reply`, { reply: 'reject' })
    await answer
    const [tool] = (await careful.call<Message[]>('GET', `/session/${session}/message`))
      .flatMap(({ parts }) => parts)
      .filter(({ type }) => type === 'tool')
    expect(tool).toMatchObject({ tool: 'bash', state: { status: 'error' } })
  })
})

describe('GIVEN usage', () => {
  test('WHEN turns are over THEN each tenant has its own account', async () => {
    const { rows } = await system.api.services.database.query<{
      tenant: string
      type: string
      tokens: string
    }>(
      `SELECT tenant, type, sum(tokens) AS tokens FROM usage WHERE provider = 'scripted' AND model = 'one' GROUP BY tenant, type`,
      [],
      { read: 'primary' },
    )
    const input = (tenant: string) =>
      Number(rows.find((row) => row.tenant === tenant && row.type === 'input')?.tokens)
    expect(input('acme')).toBeGreaterThanOrEqual(300)
    expect(input('careful')).toBeGreaterThanOrEqual(200)
    expect(input('acme') % 100).toBe(0)
  })
})

describe('GIVEN PostgreSQL that is paused for longer than the silence of a lost worker', () => {
  test('WHEN it goes on THEN no turn is taken from its worker', async () => {
    const session = await newSession()
    const answer = client.call<Message>(
      'POST',
      `/session/${session}/message`,
      prompt(bash('sleep 15; echo still here')),
    )
    await until(
      async () => (await tools(session)).some(({ state }) => state?.status === 'running'),
      180_000,
      'the tool to run',
    )
    const resume = await system.stores.postgres.primary.freeze()
    await new Promise((done) => setTimeout(done, 6_000))
    resume()
    expect((await answer).parts.map(({ text }) => text ?? '').join('')).toContain('still here')
    const { rows } = await system.api.services.database.query<{ attempt: number }>(
      'SELECT attempt FROM turns WHERE session_id = $1',
      [session],
      { read: 'primary' },
    )
    expect(rows).toEqual([{ attempt: 1 }])
  })
})
