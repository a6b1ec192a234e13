import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { LocalSandboxes } from './support/local-sandboxes.ts'
import { startModels, type Models } from './support/models.ts'
import { tempDir } from './support/process.ts'
import { startRedis, type RedisServer } from './support/redis.ts'
import { TurnServer } from './support/turn-server.ts'
import { until } from './support/until.ts'
import { createSession, startWorker, TurnSender, type TestWorker } from './support/worker.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

interface Part {
  id: string
  type: string
  text?: string
  tool?: string
  state?: { status: string; output?: string; error?: string }
}

let redis: RedisServer
let models: Models
let server: TurnServer
let sender: TurnSender
let client: Redis
let worker: TestWorker
let pool: LocalSandboxes
const workspaceRoot = tempDir('workspace')
const password = 'redis-password-that-no-tool-may-see'
/** In prompts, answers and tool output; a log must not have it. */
const content = 'the-words-of-a-conversation'
/** What every process of the tests' workers wrote. */
let logs = ''

beforeAll(async () => {
  redis = await startRedis(password)
  models = await startModels()
  server = await new TurnServer(models.llm).listening()
  sender = new TurnSender(server, redis.url)
  client = new Redis(redis.url)
  pool = await LocalSandboxes.start({ workspaceRoot, env: { LLM_CONFIG: models.file } })
  server.pool = pool
  worker = await start()
})

afterAll(async () => {
  await end()
  await pool.stop()
  client.disconnect()
  await sender.close()
  server.close()
  await models.stop()
  await redis.stop()
})

// An engine each is more than this machine holds for all of the sessions here.
afterEach(() => server.endAwake())

beforeEach(({ onTestFailed }) => {
  onTestFailed(() => {
    process.stderr.write(
      `the worker said:\n${worker.process.log.slice(-8_000)}\n${[...pool.sandboxes.values()].map((one) => one.process.log.slice(-2_000)).join('\n')}`,
    )
  })
})

async function start(env: Record<string, string> = {}): Promise<TestWorker> {
  const settings = { LLM_CONFIG: models.file, TURN_MAX_ATTEMPTS: '2', LOG_LEVEL: 'trace', ...env }
  return startWorker({ redisURL: redis.url, apiURL: server.url, env: settings })
}

/** Ends the worker and keeps what it logged. */
async function end(how: 'stop' | 'kill' = 'stop'): Promise<void> {
  await worker[how]()
  logs += worker.process.log
}

async function restart(env: Record<string, string> = {}): Promise<void> {
  await end()
  worker = await start(env)
}

/** Other sandboxes from here on. */
const sandboxesWith = (env: Record<string, string>) =>
  pool.configure({ LLM_CONFIG: models.file, ...env })

const bash = (command: string) =>
  `${content} [[tool bash ${JSON.stringify({ command: `: ${content}; ${command}`, description: 'A test' })}]]`

/** The latest state of every part of a session. */
function parts(sessionID: string): Part[] {
  const latest = new Map<string, Part>()
  for (const { type, data } of server.events(sessionID))
    if (type === 'message.part.updated.1')
      latest.set((data['part'] as Part).id, data['part'] as Part)
  return [...latest.values()]
}

const tools = (sessionID: string) => parts(sessionID).filter(({ type }) => type === 'tool')
const isRunning = (sessionID: string) => () =>
  tools(sessionID).some(({ state }) => state?.status === 'running')

function answerText(body: unknown): string {
  return (body as { parts: Part[] }).parts.map(({ text }) => text ?? '').join('')
}

async function command(turnID: string, content: object): Promise<{ status: number }> {
  const id = `command-${Math.random().toString(36).slice(2)}`
  const listener = new Redis(redis.url)
  const reply = new Promise<string>((done) =>
    listener.on('message', (_channel, message: string) => {
      done(message)
    }),
  )
  await listener.subscribe(`{opencode}:replies:${id}`)
  await client.publish(`{opencode}:commands:${turnID}`, JSON.stringify({ id, ...content }))
  const answer = JSON.parse(await reply) as { status: number }
  listener.disconnect()
  return answer
}

describe('GIVEN a turn in the middle of a tool call', () => {
  test('WHEN it is aborted THEN it ends as aborted, the tool with it', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('sleep 300'))
    await until(isRunning(session.id), 180_000, 'the tool to run')
    const sent = performance.now()
    expect(await command(id, { kind: 'abort' })).toMatchObject({ status: 200 })
    const milliseconds = Math.round(performance.now() - sent)
    expect(await sender.completion(id)).toMatchObject({ outcome: 'aborted' })
    // The engine calls it an error or a completed call that was aborted, as it happens; it runs no more.
    expect(tools(session.id)).toHaveLength(1)
    expect(isRunning(session.id)()).toBe(false)
    // Printed, not asserted: a busy machine is no failure. The target is one second.
    process.stdout.write(`abort reached the engine after ${milliseconds.toString()} ms\n`)
  })

  test('WHEN the message of its abort gets lost THEN the next heartbeat brings it', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('sleep 300'))
    await until(isRunning(session.id), 180_000, 'the tool to run')
    sender.turn(id).abort = true
    expect(await sender.completion(id)).toMatchObject({ outcome: 'aborted' })
  })

  test('WHEN it is aborted while its session is restored THEN it ends without a call of the model', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('echo never'), {
      abort: true,
      config: { permission: { bash: 'ask' } },
    })
    expect(await sender.completion(id)).toMatchObject({
      outcome: 'aborted',
      response: { status: 409 },
    })
    expect(parts(session.id)).toEqual([])
  })

  test('WHEN its engine is killed THEN it is tried again, its tool call marked as interrupted', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(
      session,
      bash('touch done; sleep 2; pkill -9 opencode; sleep 60'),
    )
    expect(await sender.completion(id)).toMatchObject({ outcome: 'completed' })
    expect(tools(session.id).map(({ state }) => state?.status)).toContain('error')
    expect(server.violations).toEqual([])
    expect(await worker.metrics()).toMatch(/opencode_sandbox_lost_total\{reason="crash"\} [1-9]/)
  })

  test('WHEN another attempt has taken it THEN the first writes nothing more', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('sleep 20; echo late'))
    await until(isRunning(session.id), 180_000, 'the tool to run')
    sender.turn(id).fence += 1
    const before = server.events(session.id).length
    await until(
      async () => /outcome="stale"\} 1/.test(await worker.metrics()),
      180_000,
      'the worker to let go',
    )
    expect(server.events(session.id)).toHaveLength(before)
    expect(sender.turn(id).completion).toBeUndefined()
  })

  test('WHEN its worker dies THEN another worker takes it over where it stands, no event lost or doubled', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(
      session,
      bash('echo once >> runs; sleep 15; echo finished $(wc -l < runs)'),
    )
    await until(isRunning(session.id), 180_000, 'the tool to run')
    await end('kill')
    worker = await start()
    sender.turn(id).attempt += 1
    await sender.deliver(id)
    const completion = await sender.completion(id)
    expect(completion.outcome).toBe('completed')
    expect(answerText(completion.response.body)).toContain('The tool said: finished 1')
    expect(tools(session.id).map(({ state }) => state?.status)).toEqual(['completed'])
    expect(server.violations).toEqual([])
    const users = server
      .events(session.id)
      .filter(
        ({ type, data }) =>
          type === 'message.updated.1' && (data['info'] as { role: string }).role === 'user',
      )
    expect(new Set(users.map(({ data }) => (data['info'] as { id: string }).id)).size).toBe(1)
  })
})

describe('GIVEN a tenant whose configuration asks before shell commands', () => {
  test('WHEN a tool asks THEN the question reaches the client and its answer the engine', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('echo allowed'), {
      config: { permission: { bash: 'ask' } },
    })
    const asked = () => sender.turn(id).passing.find(({ type }) => type === 'permission.asked')
    await until(() => asked() !== undefined, 180_000, 'the question')
    const path = `/permission/${String(asked()?.properties['id'])}/reply`
    expect(
      await command(id, {
        kind: 'request',
        request: { method: 'POST', path, body: { reply: 'once' } },
      }),
    ).toMatchObject({ status: 200 })
    expect(answerText((await sender.completion(id)).response.body)).toContain(
      'The tool said: allowed',
    )
  })

  test('WHEN the configuration would loosen the policy THEN the policy stays', async () => {
    const session = createSession(server, workspaceRoot)
    const config = { permission: { '*': 'allow', external_directory: 'allow' } }
    const id = await sender.prompt(session, '[[tool read {"filePath":"/etc/passwd"}]]', { config })
    await sender.completion(id)
    expect(tools(session.id)).toMatchObject([{ tool: 'read', state: { status: 'error' } }])
  })
})

describe('GIVEN a tool that looks for secrets', () => {
  test('WHEN it reads its environment, /proc and the metadata address THEN it finds none', async () => {
    const session = createSession(server, workspaceRoot)
    const look = [
      'env',
      'for f in /proc/[0-9]*/environ; do tr "\\0" "\\n" < $f; done 2>/dev/null',
      'ps ax -o args',
      'cat /proc/[0-9]*/cmdline | tr "\\0" " "',
      'ls /proc/1/root/run/secrets /var/run/secrets/kubernetes.io',
      // What listens on loopback: the relay, with and without its purpose, and the supervisor's metrics.
      'relay=$(echo "$OPENCODE_CONFIG_CONTENT" | grep -o "http://127.0.0.1:[0-9]*" | head -1)',
      'curl -s -i $relay/',
      'curl -s -i $relay/internal/turns',
      `curl -s -i $relay/llm/scripted/v1/chat/completions -d '{"model":"one","messages":[]}'`,
      `curl -s ${worker.metricsURL}/metrics | grep -i -E "token|redis"`,
      'curl -s -m 2 http://169.254.169.254/ || echo no metadata',
      'grep -rs "Bearer\\|redis://" $HOME $TMPDIR .',
    ].join('; ')
    // As a script: the engine reads a command's words and refuses paths outside of the workspace, which is no protection.
    const script = Buffer.from(look).toString('base64')
    const id = await sender.prompt(
      session,
      bash(`echo ${script} | base64 -d > look.sh; bash look.sh`),
    )
    await sender.completion(id)
    const [tool] = tools(session.id)
    expect(tool?.state).toMatchObject({ status: 'completed' })
    const output = tool?.state?.output ?? ''
    expect(output).toContain('OPENCODE_ENGINE_RUN=')
    expect(output).toContain('no metadata')
    for (const secret of [password, sender.turn(id).token, 'REDIS_URL', 'DATABASE_URL', 'Bearer'])
      expect(output.replaceAll(look, '')).not.toContain(secret)
  })

  test('WHEN the next turn runs THEN nothing of the last one is left', async () => {
    const one = createSession(server, workspaceRoot)
    await sender.completion(
      await sender.prompt(
        one,
        bash('echo left > $HOME/left; echo left > $TMPDIR/left; (setsid sleep 987 &) ; echo ok'),
      ),
    )
    const two = createSession(server, workspaceRoot)
    const id = await sender.prompt(two, bash(`ls -A $HOME $TMPDIR ${workspaceRoot}; ps ax -o args`))
    await sender.completion(id)
    const output = tools(two.id)[0]?.state?.output ?? ''
    expect(output).toContain(two.id)
    expect(output).not.toMatch(/^left$/m)
    expect(output).not.toContain('sleep 987')
    expect(output).not.toContain(one.id)
  })
})

describe('GIVEN limits', () => {
  test('WHEN the files are past the limit THEN the turn fails and says what to do', async () => {
    server.workspaceMaxBytes = 100_000
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('head -c 300000 /dev/urandom > big'))
    const completion = await sender.completion(id)
    server.workspaceMaxBytes = 64 * 2 ** 20
    expect(completion).toMatchObject({ outcome: 'failed', response: { status: 413 } })
    expect(completion.error).toContain('delete what is not needed')
  })

  test('WHEN every attempt fails THEN the turn is given up and listed', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('echo in vain'), { broken: true })
    expect(await sender.completion(id)).toMatchObject({
      outcome: 'failed',
      givenUp: true,
      response: { status: 502 },
      error: expect.stringContaining('failed 2 times'),
    })
    // Written after the completion: what PostgreSQL says counts, this is for people.
    await until(
      async () => (await client.lrange('{opencode}:dead-letters', 0, 0))[0]?.includes(id) === true,
      10_000,
      'the entry',
    )
  })

  test('WHEN its time is over THEN the turn ends', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('sleep 300'), {
      deadline: new Date(Date.now() + 8_000).toISOString(),
    })
    expect(await sender.completion(id)).toMatchObject({
      outcome: 'failed',
      response: { status: 504 },
    })
    expect(isRunning(session.id)()).toBe(false)
  })
})

describe('GIVEN a provider of kind anthropic', () => {
  test('WHEN a prompt asks for a tool THEN it runs and the tokens are counted', async () => {
    const session = createSession(server, workspaceRoot)
    const body = {
      model: { providerID: 'claude', modelID: 'two' },
      parts: [{ type: 'text', text: bash('echo from claude') }],
    }
    const id = await sender.send(session, {
      method: 'POST',
      path: `/session/${session.id}/message`,
      body,
    })
    expect(answerText((await sender.completion(id)).response.body)).toContain(
      'The tool said: from claude',
    )
    const usage = server.usage.filter(({ provider }) => provider === 'claude')
    expect(usage.map(({ tokens }) => tokens)).toContainEqual({
      input: 60,
      output: 20,
      cache_read: 40,
      cache_write: 5,
    })
    expect(models.anthropic.calls[0]?.headers['authorization']).toBeUndefined()
  })
})

describe('GIVEN a worker told to end while a turn runs', () => {
  test('WHEN the turn ends in time THEN this worker completes it', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('sleep 5; echo in time'))
    await until(isRunning(session.id), 180_000, 'the tool to run')
    await restart({ DRAIN_SECONDS: '1' })
    expect(sender.turn(id)).toMatchObject({
      completion: { outcome: 'completed' },
      claims: [expect.any(String)],
    })
    expect(answerText(sender.turn(id).completion?.response.body)).toContain('in time')
  })

  test('WHEN the turn takes longer than the drain time THEN another worker takes it over where it stands', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(
      session,
      bash('echo half >> half-done; sleep 25; echo whole $(wc -l < half-done)'),
    )
    await until(isRunning(session.id), 180_000, 'the tool to run')
    await restart()
    const completion = await sender.completion(id)
    expect(answerText(completion.response.body)).toContain('whole 1')
    expect(sender.turn(id).claims).toHaveLength(2)
    expect(server.violations).toEqual([])
    const read = await sender.send(session, {
      method: 'GET',
      path: '/file/content',
      query: { path: 'half-done' },
    })
    expect((await sender.completion(read)).response.body).toMatchObject({ content: 'half' })
  })
})

describe('GIVEN sandboxes that wait for a session', () => {
  test('WHEN the engine of one dies THEN it ends, and no turn gets it', async () => {
    await pool.fill()
    const [waiting] = [...pool.sandboxes.values()].filter(({ isClaimed }) => !isClaimed)
    if (waiting?.enginePid === undefined) throw new Error('there is no engine')
    process.kill(waiting.enginePid, 'SIGKILL')
    await until(() => !waiting.process.running, 60_000, 'its end')
    await pool.end(waiting.name, waiting.uid)
  })

  test('WHEN there is none THEN a turn waits until there is one', async () => {
    const id = await sender.prompt(createSession(server, workspaceRoot), 'hello again')
    await until(
      () => worker.process.log.includes('waiting for a sandbox'),
      60_000,
      'the turn to wait',
    )
    await pool.fill()
    expect(await sender.completion(id)).toMatchObject({ outcome: 'completed' })
  })
})

describe('GIVEN a tool that turns on its own sandbox', () => {
  // The agent of the tests runs from its source.
  const signal = (name: string) => `pkill -${name} -f '[s]ervices/sandbox/main'`

  test.each([
    ['ends', 'KILL', 'gone'],
    ['stops', 'STOP', 'silent'],
  ])(
    'WHEN it %s the agent THEN only its turn is tried again, and the next session sees nothing of it',
    async (_, name, reason) => {
      await restart({ SANDBOX_SILENCE_SECONDS: '3' })
      const session = createSession(server, workspaceRoot)
      const id = await sender.prompt(session, bash(`${signal(name)}; sleep 60`))
      expect(await sender.completion(id)).toMatchObject({ outcome: 'completed' })
      expect(sender.turn(id).losses).toBe(1)
      expect(await worker.metrics()).toMatch(
        new RegExp(`opencode_sandbox_lost_total\\{reason="${reason}"\\} 1`),
      )
      const next = await sender.prompt(createSession(server, workspaceRoot), bash('echo fine'))
      expect(answerText((await sender.completion(next)).response.body)).toContain('fine')
    },
  )

  test('WHEN it does so at each attempt THEN the turn ends with an error that says so, and there is no third', async () => {
    await restart({ TURN_MAX_ATTEMPTS: '9' })
    const session = createSession(server, workspaceRoot)
    const id = await sender.send(session, {
      method: 'POST',
      path: `/session/${session.id}/shell`,
      body: { agent: 'build', command: `${signal('KILL')}; sleep 60` },
    })
    expect(await sender.completion(id)).toMatchObject({
      outcome: 'failed',
      givenUp: true,
      response: { status: 502 },
      error: expect.stringContaining('ended its sandbox from within 2 times'),
    })
    expect(sender.turn(id).claims).toHaveLength(2)
    await restart()
  })
})

describe('GIVEN Redis gone for good', () => {
  test('WHEN the worker is told to end THEN it completes its turn and ends', async () => {
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('sleep 3; echo without Redis'))
    await until(isRunning(session.id), 180_000, 'the tool to run')
    await redis.kill()
    try {
      await end()
    } finally {
      await redis.start()
    }
    expect(sender.turn(id)).toMatchObject({ completion: { outcome: 'completed' } })
    worker = await start()
  })
})

describe('GIVEN an engine that is looked at', () => {
  test('WHEN it hangs THEN it is ended and the turn tried again', async () => {
    await sandboxesWith({ ENGINE_CHECK_INTERVAL_MS: '1000' })
    const session = createSession(server, workspaceRoot)
    const id = await sender.prompt(session, bash('pkill -STOP opencode; sleep 300'))
    expect(await sender.completion(id)).toMatchObject({ outcome: 'completed' })
    expect(await worker.metrics()).toMatch(/opencode_sandbox_lost_total\{reason="hang"\} [1-9]/)
  })

  test('WHEN it uses more memory than it may THEN it is ended and the answer says so', async () => {
    await restart({ TURN_MAX_ATTEMPTS: '1' })
    const memory = (64 * 2 ** 20).toString()
    await sandboxesWith({ ENGINE_MEMORY_MAX_BYTES: memory, ENGINE_CHECK_INTERVAL_MS: '20000' })
    const session = createSession(server, workspaceRoot)
    const completion = await sender.completion(await sender.prompt(session, bash('sleep 300')))
    expect(completion).toMatchObject({ outcome: 'failed', response: { status: 502 } })
    expect(completion.error).toContain('more memory than it may')
  })
})

describe('GIVEN all that the workers of this file have logged', () => {
  test('WHEN it is searched THEN there are turns in it, but no token, key or word of a conversation', async () => {
    await end()
    await pool.stop()
    logs += pool.log
    expect(logs).toContain('turn over')
    expect(logs).toContain('the turn failed')
    const tokens = [...server.turns.values()].map(({ token }) => token)
    for (const secret of [password, content, ...tokens]) expect(logs).not.toContain(secret)
  })
})
