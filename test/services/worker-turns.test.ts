import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LocalSandboxes } from './support/local-sandboxes.ts'
import { startRedis, type RedisServer } from './support/redis.ts'
import { TurnServer } from './support/turn-server.ts'
import { until } from './support/until.ts'
import { createSession, startWorker, TurnSender, type TestWorker } from './support/worker.ts'

interface Answer {
  parts: { text?: string }[]
}

let redis: RedisServer
let server: TurnServer
let worker: TestWorker
let pool: LocalSandboxes
let sender: TurnSender
const workspaceRoot = mkdtempSync(join(tmpdir(), 'opencode-workspace-'))

beforeAll(async () => {
  redis = await startRedis()
  server = await new TurnServer().listening()
  sender = new TurnSender(server, redis.url)
  pool = await LocalSandboxes.start({ workspaceRoot, env: { ENGINE_REHEARSAL: 'on' } })
  server.pool = pool
  worker = await startWorker({ redisURL: redis.url, apiURL: server.url })
})

afterAll(async () => {
  await worker.stop()
  await pool.stop()
  await sender.close()
  server.close()
  await redis.stop()
})

describe('GIVEN a worker and a new session', () => {
  test('WHEN prompts are queued THEN each is answered in the context of those before', async () => {
    const session = createSession(server, workspaceRoot)
    const first = await sender.completion(await sender.prompt(session, 'hello there'))
    expect(first).toMatchObject({ outcome: 'completed', response: { status: 200 } })
    expect(text(first.response.body as Answer)).toContain('You said: hello there')
    const second = await sender.completion(await sender.prompt(session, 'please use a tool'))
    expect(text(second.response.body as Answer)).toContain(
      `hello from a tool call\n${session.directory}`,
    )
    const messages = server
      .events(session.id)
      .filter(({ type }) => type === 'message.updated.1')
      .map(({ data }) => (data['info'] as { id: string }).id)
    expect(new Set(messages).size).toBe(5)
    expect(server.violations).toEqual([])
    expect(server.usage.length).toBeGreaterThan(2)
  })

  test('WHEN a tool writes a file THEN the next turn finds it', async () => {
    const session = createSession(server, workspaceRoot)
    const written = await sender.send(session, {
      method: 'POST',
      path: `/session/${session.id}/shell`,
      body: { agent: 'build', command: 'echo kept > note.txt' },
    })
    expect(await sender.completion(written)).toMatchObject({ outcome: 'completed' })
    const read = await sender.send(session, {
      method: 'GET',
      path: '/file/content',
      query: { path: 'note.txt' },
    })
    expect((await sender.completion(read)).response.body).toMatchObject({ content: 'kept' })
  })

  test('WHEN engines have rehearsed before the turns THEN the API hears of nothing but the turns', async () => {
    const sessions = new Set([...server.turns.values()].map(({ sessionID }) => sessionID))
    expect(new Set(server.log.keys())).toEqual(sessions)
    const named = [...server.turns.values()]
      .flatMap(({ passing }) => passing)
      .map(({ properties }) => properties['sessionID'])
      .filter((id) => id !== undefined)
    expect(sessions).toEqual(new Set([...sessions, ...named]))
    const output = [...pool.sandboxes.values()].map(({ process: { log } }) => log).join('')
    expect(output).toContain('"rehearsed"')
    expect(output).not.toContain('without a rehearsal')
  })

  test('WHEN a turn is over THEN the worker is ready again and has measured it', async () => {
    await until(
      async () => (await worker.metrics()).includes('\nopencode_worker_busy 0'),
      60_000,
      'the worker to wait again',
    )
    const measured = await worker.metrics()
    expect(measured).toMatch(/opencode_turns_total\{outcome="completed"\} 4/)
    expect(measured).toMatch(/opencode_tool_execution_seconds_count\{tool="bash"\} [1-9]/)
  })
})

function text(answer: Answer): string {
  return answer.parts.map((part) => part.text ?? '').join('')
}
