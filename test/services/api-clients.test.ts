import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  createOpencodeClient,
  type AssistantMessage,
  type Event,
  type OpencodeClient,
  type Part,
} from '@opencode-ai/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { connectRedis, PubSub } from '../../services/runtime/redis.ts'
import { ApiClient } from '../../services/websocket/api-client.ts'
import { EventLog } from '../../services/websocket/event-log.ts'
import { Feeds } from '../../services/websocket/feed.ts'
import { WebSocketService } from '../../services/websocket/server.ts'
import { token, type Client } from './support/api.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

const binary = resolve(import.meta.dirname, '../../node_modules/opencode-linux-x64/bin/opencode')
let system: System
let sdk: OpencodeClient
let bearer: string

beforeAll(async () => {
  system = await startSystem()
  bearer = await token('acme')
  sdk = createOpencodeClient({
    baseUrl: system.api.url,
    headers: { authorization: `Bearer ${bearer}` },
    throwOnError: true,
  })
})

afterAll(() => system.stop())

const said = (text: string) => ({ parts: [{ type: 'text' as const, text }] })
const bash = (command: string) =>
  said(`[[tool bash ${JSON.stringify({ command, description: 'A test' })}]]`)
const textOf = (parts: Part[]) =>
  parts.map((part) => (part.type === 'text' ? part.text : '')).join('')

async function create(title?: string) {
  return (
    await sdk.session.create({ body: title === undefined ? {} : { title }, throwOnError: true })
  ).data
}

async function prompt(
  id: string,
  body: ReturnType<typeof said>,
): Promise<{ info: AssistantMessage; parts: Part[] }> {
  return (await sdk.session.prompt({ path: { id }, body, throwOnError: true })).data
}

async function messages(id: string) {
  return (await sdk.session.messages({ path: { id }, throwOnError: true })).data
}

/** The tool calls of a session, newest state of each. */
async function tools(id: string) {
  return (await messages(id)).flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === 'tool' ? [part] : [])),
  )
}

/** Collects a tenant's events. */
async function listen(): Promise<{ events: Event[]; stop(): void }> {
  const abort = new AbortController()
  const { stream } = await sdk.event.subscribe({ signal: abort.signal })
  const events: Event[] = []
  void (async () => {
    for await (const event of stream) events.push(event)
  })().catch(() => undefined)
  await until(() => events.length > 0, 30_000, 'server.connected')
  return {
    events,
    stop: () => {
      abort.abort()
    },
  }
}

describe("GIVEN OpenCode's SDK", () => {
  test('WHEN sessions are created, read, changed, listed and deleted THEN the service does as the engine does, and events say so', async () => {
    const { events, stop } = await listen()
    const session = await create('A title')
    expect(session).toMatchObject({
      title: 'A title',
      projectID: 'global',
      directory: `${system.workspaceRoot}/${session.id}`,
    })
    expect((await sdk.session.get({ path: { id: session.id }, throwOnError: true })).data).toEqual(
      session,
    )
    const changed = (
      await sdk.session.update({
        path: { id: session.id },
        body: { title: 'Another' },
        throwOnError: true,
      })
    ).data
    expect(changed).toMatchObject({ id: session.id, title: 'Another' })
    const child = (await sdk.session.create({ body: { parentID: session.id }, throwOnError: true }))
      .data
    expect(
      (await sdk.session.children({ path: { id: session.id }, throwOnError: true })).data.map(
        ({ id }) => id,
      ),
    ).toEqual([child.id])
    const listed = (await sdk.session.list({ throwOnError: true })).data.map(({ id }) => id)
    expect(listed.slice(0, 2).sort()).toEqual([session.id, child.id].sort())
    expect(
      (await sdk.session.list({ query: { directory: session.directory }, throwOnError: true }))
        .data,
    ).toHaveLength(2)
    expect((await sdk.session.delete({ path: { id: session.id }, throwOnError: true })).data).toBe(
      true,
    )
    for (const { id } of [session, child])
      expect((await sdk.session.get({ path: { id }, throwOnError: false })).response.status).toBe(
        404,
      )
    const types = () => events.map(({ type }) => type).filter((type) => type.startsWith('session.'))
    await until(() => types().length >= 5, 30_000, 'the events')
    expect(types()).toEqual([
      'session.created',
      'session.updated',
      'session.created',
      'session.deleted',
      'session.deleted',
    ])
    stop()
  })

  test('WHEN a prompt asks for a tool THEN it runs in a worker, and all of it is in the log', async () => {
    const session = await create()
    const { events, stop } = await listen()
    const answer = await prompt(session.id, bash('echo hello from a tool'))
    expect(textOf(answer.parts)).toContain('The tool said: hello from a tool')
    const log = await messages(session.id)
    expect(log.map(({ info }) => info.role)).toEqual(['user', 'assistant', 'assistant'])
    expect(log.at(-1)).toEqual(answer)
    expect(
      (
        await sdk.session.message({
          path: { id: session.id, messageID: answer.info.id },
          throwOnError: true,
        })
      ).data,
    ).toEqual(answer)
    expect(await tools(session.id)).toMatchObject([
      { tool: 'bash', state: { status: 'completed', output: 'hello from a tool\n' } },
    ])
    await until(() => events.some(({ type }) => type === 'session.idle'), 30_000, 'session.idle')
    const types = new Set<string>(events.map(({ type }) => type))
    for (const type of ['message.updated', 'message.part.updated', 'session.status'])
      expect(types).toContain(type)
    expect(
      (await sdk.session.get({ path: { id: session.id }, throwOnError: true })).data.title,
    ).toBe('A scripted title')
    stop()
  })

  test('WHEN a prompt is asynchronous THEN it is accepted at once and its end is an event', async () => {
    const session = await create()
    const { events, stop } = await listen()
    const accepted = await sdk.session.promptAsync({
      path: { id: session.id },
      body: said('later [[say done]]'),
      throwOnError: true,
    })
    expect(accepted.response.status).toBe(204)
    expect((await sdk.session.status({ throwOnError: true })).data[session.id]).toEqual({
      type: 'busy',
    })
    await until(
      () =>
        events.some(
          (event) => event.type === 'session.idle' && event.properties.sessionID === session.id,
        ),
      180_000,
      'session.idle',
    )
    await until(
      async () => (await sdk.session.status({ throwOnError: true })).data[session.id] === undefined,
      30_000,
      'the session to be idle',
    )
    expect((await messages(session.id)).map(({ parts }) => textOf(parts))).toEqual([
      'later [[say done]]',
      'done',
    ])
    stop()
  })

  test('WHEN a session is forked THEN the copy has its messages and files, and goes its own way', async () => {
    const session = await create()
    await prompt(session.id, bash('echo original > file.txt'))
    const fork = (
      await sdk.session.fork({ path: { id: session.id }, body: {}, throwOnError: true })
    ).data
    expect(fork.id).not.toBe(session.id)
    expect(fork.directory).toBe(session.directory.replace(session.id, fork.id))
    const texts = async (id: string) => (await messages(id)).map(({ parts }) => textOf(parts))
    expect(await texts(fork.id)).toEqual(await texts(session.id))
    expect(
      textOf((await prompt(fork.id, bash('cat file.txt; echo changed > file.txt'))).parts),
    ).toContain('original')
    expect(textOf((await prompt(session.id, bash('cat file.txt'))).parts)).toContain('original')
    expect(textOf((await prompt(fork.id, bash('cat file.txt'))).parts)).toContain('changed')
  })

  test('WHEN a message is reverted and taken back THEN the session says so; a prompt after it makes it final', async () => {
    const session = await create()
    await prompt(session.id, said('first'))
    await prompt(session.id, said('second'))
    const second =
      (await messages(session.id)).filter(({ info }) => info.role === 'user').at(-1)?.info.id ?? ''
    const revert = () =>
      sdk.session.revert({
        path: { id: session.id },
        body: { messageID: second },
        throwOnError: true,
      })
    expect((await revert()).data.revert).toMatchObject({ messageID: second })
    expect(
      (await sdk.session.get({ path: { id: session.id }, throwOnError: true })).data.revert,
    ).toMatchObject({ messageID: second })
    expect(
      (await sdk.session.unrevert({ path: { id: session.id }, throwOnError: true })).data.revert,
    ).toBeUndefined()
    expect(
      (await sdk.session.get({ path: { id: session.id }, throwOnError: true })).data.revert,
    ).toBeUndefined()
    await revert()
    await prompt(session.id, said('third'))
    const users = (await messages(session.id))
      .filter(({ info }) => info.role === 'user')
      .map(({ parts }) => textOf(parts))
    expect(users).toEqual(['first', 'third'])
  })

  test('WHEN a session is aborted THEN what runs ends, what waits never begins, and it can be used again', async () => {
    const session = await create()
    const running = prompt(session.id, bash('sleep 300'))
    await until(
      async () => (await tools(session.id)).some(({ state }) => state.status === 'running'),
      180_000,
      'the tool to run',
    )
    const waiting = sdk.session.prompt({
      path: { id: session.id },
      body: said('never'),
      throwOnError: false,
    })
    await until(async () => (await open(session.id)) === 2, 30_000, 'the second turn to wait')
    expect((await sdk.session.abort({ path: { id: session.id }, throwOnError: true })).data).toBe(
      true,
    )
    expect((await waiting).response.status).toBe(409)
    expect((await running).info.error?.name).toBe('MessageAbortedError')
    // The engine gives an aborted tool 250 ms to end by itself; what it has said so far is then its result.
    const [aborted] = await tools(session.id)
    expect(aborted?.state).toMatchObject(
      aborted?.state.status === 'completed'
        ? { output: expect.stringContaining('User aborted the command') as string }
        : { status: 'error', error: 'Tool execution aborted' },
    )
    expect(textOf((await prompt(session.id, said('again [[say here]]'))).parts)).toBe('here')
  })

  test('WHEN an agent hands work to another THEN that is a child of the session', async () => {
    const session = await create()
    const input = {
      description: 'A task',
      prompt: 'do it [[say done by the child]]',
      subagent_type: 'general',
    }
    // Escaped, so that the child's directive is not one of its parent's.
    const escaped = JSON.stringify(input)
      .replaceAll('[', String.raw`\u005b`)
      .replaceAll(']', String.raw`\u005d`)
    const answer = await prompt(session.id, said(`[[tool task ${escaped}]]`))
    expect(textOf(answer.parts)).toContain('done by the child')
    const children = (await sdk.session.children({ path: { id: session.id }, throwOnError: true }))
      .data
    expect(children).toMatchObject([{ parentID: session.id, directory: session.directory }])
    expect((await messages(children[0]?.id ?? '')).map(({ info }) => info.role)).toEqual([
      'user',
      'assistant',
    ])
  })

  test('WHEN files are read THEN they are those of the session, while it runs and while it does not', async () => {
    const [session, other] = [await create(), await create()]
    await prompt(session.id, bash('mkdir folder; echo content of it > folder/note.txt'))
    const query = { directory: session.directory }
    expect(
      (await sdk.file.list({ query: { ...query, path: 'folder' }, throwOnError: true })).data,
    ).toMatchObject([{ name: 'note.txt', type: 'file' }])
    expect(
      (
        await sdk.file.list({
          query: { directory: other.directory, path: '.' },
          throwOnError: true,
        })
      ).data,
    ).toEqual([])
    const running = prompt(
      session.id,
      bash('echo now > now.txt; until test -e go; do sleep 0.1; done'),
    )
    await until(
      async () => (await tools(session.id)).some(({ state }) => state.status === 'running'),
      180_000,
      'the tool to run',
    )
    const now = () => sdk.file.read({ query: { ...query, path: 'now.txt' }, throwOnError: true })
    await until(
      async () => ((await now()).data as { content: string }).content === 'now',
      30_000,
      'the file of the running turn',
    )
    expect(
      (await sdk.file.read({ query: { ...query, path: 'folder/note.txt' }, throwOnError: true }))
        .data,
    ).toMatchObject({ content: 'content of it' })
    expect(
      (await sdk.find.text({ query: { ...query, pattern: 'content of' }, throwOnError: true }))
        .data,
    ).toHaveLength(1)
    expect(
      (await sdk.find.files({ query: { ...query, query: 'note' }, throwOnError: true })).data,
    ).toContain('folder/note.txt')
    await sdk.session.abort({ path: { id: session.id }, throwOnError: true })
    await running
  })

  test("WHEN configuration is read THEN it names the service's models, agents and commands", async () => {
    expect((await sdk.config.get({ throwOnError: true })).data.model).toBe('scripted/one')
    const { providers, default: defaults } = (await sdk.config.providers({ throwOnError: true }))
      .data
    expect(providers.map(({ id }) => id)).toEqual(['scripted', 'claude'])
    expect(defaults).toEqual({ scripted: 'one', claude: 'two' })
    expect((await sdk.app.agents({ throwOnError: true })).data.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['build', 'plan', 'general']),
    )
    expect((await sdk.command.list({ throwOnError: true })).data.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['init', 'review']),
    )
  })
})

describe('GIVEN a tenant whose configuration asks before shell commands', () => {
  test.each([
    ['once', 'The tool said: allowed'],
    ['reject', ''],
  ] as const)('WHEN the client answers "%s" THEN the turn goes on', async (reply, words) => {
    await system.stores.postgres.primary.query(
      `INSERT INTO tenants (id, config) VALUES ('careful', '{"permission":{"bash":"ask"}}') ON CONFLICT DO NOTHING`,
    )
    const client = await system.client('careful')
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    const answer = client.call<{ parts: Part[] }>(
      'POST',
      `/session/${id}/message`,
      bash('echo allowed'),
    )
    const asked = async () =>
      (
        await client.call<{ id: string; sessionID: string; permission: string }[]>(
          'GET',
          '/permission',
        )
      ).find(({ sessionID }) => sessionID === id)
    await until(async () => (await asked()) !== undefined, 180_000, 'the question')
    const request = await asked()
    expect(request?.permission).toBe('bash')
    expect(await client.call('POST', `/permission/${request?.id ?? ''}/reply`, { reply })).toBe(
      true,
    )
    expect(textOf((await answer).parts)).toContain(words)
    expect(await client.call('GET', '/permission')).toEqual([])
    expect(
      (await client.send('POST', `/permission/${request?.id ?? ''}/reply`, { reply })).status,
    ).toBe(404)
    const [tool] = (
      await client.call<{ parts: Part[] }[]>('GET', `/session/${id}/message`)
    ).flatMap(({ parts }) => parts.filter(({ type }) => type === 'tool'))
    expect(tool).toMatchObject({ state: { status: reply === 'once' ? 'completed' : 'error' } })
  })
})

describe('GIVEN a request that is sent twice with one Idempotency-Key', () => {
  test('THEN it is one turn with one answer; another request with that key is refused', async () => {
    const client: Client = await system.client()
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    const send = (text: string) =>
      client.send('POST', `/session/${id}/message`, said(text), { 'idempotency-key': 'one-turn' })
    const [first, second] = await Promise.all([send('once'), send('once')])
    expect([first.status, second.status]).toEqual([200, 200])
    expect(await first.json()).toEqual(await second.json())
    expect((await messages(id)).filter(({ info }) => info.role === 'user')).toHaveLength(1)
    expect((await send('another')).status).toBe(422)
  })
})

describe('GIVEN a WebSocket', () => {
  test('WHEN a prompt is sent over it THEN its events and its answer come back over it', async () => {
    const { services } = system.api
    const [publisher, subscriber] = [
      connectRedis(system.stores.redis.url),
      connectRedis(system.stores.redis.url),
    ]
    const log = new EventLog(services.database)
    const feeds = new Feeds(log, new PubSub(publisher, subscriber), services.logger)
    const calls = new ApiClient(system.api.url)
    const service = new WebSocketService({
      people: services.people,
      refusals: services.refusals,
      log,
      feeds,
      api: calls,
      metrics: services.metrics,
      logger: services.logger,
      region: 'test',
      ready: () => Promise.resolve({}),
    })
    const url = `ws://127.0.0.1:${(await service.listen(0)).toString()}/ws`
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${bearer}` } })
    const sent: {
      reply?: string
      status?: number
      body?: { id?: string; parts?: Part[] }
      seq?: number | null
      event?: Event
    }[] = []
    socket.on('message', (data) =>
      sent.push(JSON.parse((data as Buffer).toString()) as (typeof sent)[number]),
    )
    await until(() => sent.length > 0, 30_000, 'the first message')
    const call = async (id: string, path: string, body: unknown) => {
      socket.send(JSON.stringify({ id, method: 'POST', path, body }))
      await until(() => sent.some(({ reply }) => reply === id), 180_000, `the reply to ${path}`)
      return sent.find(({ reply }) => reply === id)
    }
    const id = (await call('1', '/session', {}))?.body?.id ?? ''
    const answer = await call('2', `/session/${id}/message`, said('over a socket [[say heard]]'))
    expect(answer).toMatchObject({ status: 200 })
    expect(textOf(answer?.body?.parts ?? [])).toBe('heard')
    await until(
      () => sent.some(({ event }) => event?.type === 'session.idle'),
      30_000,
      'session.idle',
    )
    const places = sent.flatMap(({ seq }) => (typeof seq === 'number' ? [seq] : []))
    expect(places.slice(1)).toEqual(places.slice(1).map((_, index) => (places[0] ?? 0) + 1 + index))
    socket.terminate()
    await service.drain(0)
    await feeds.close()
    await calls.close()
    for (const redis of [publisher, subscriber]) redis.disconnect()
  })
})

describe('GIVEN the opencode command', () => {
  const home = mkdtempSync(join(tmpdir(), 'opencode-client-'))
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
  }
  afterAll(() => {
    rmSync(home, { recursive: true, force: true })
  })

  test('WHEN `opencode run --attach` is given the token as password THEN it prints the answer', async () => {
    const output = await run(
      ['run', '--attach', system.api.url, '--password', bearer, 'hello [[say printed by run]]'],
      env,
    )
    expect(output).toContain('printed by run')
    const session = (await sdk.session.list({ throwOnError: true })).data[0]
    expect(textOf((await messages(session?.id ?? '')).at(-1)?.parts ?? [])).toBe('printed by run')
  })

  test('WHEN `opencode attach` is typed into THEN the answer is on the screen', async () => {
    const socket = join(home, 'tmux')
    const tmux = (...args: string[]) =>
      spawnSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], {
        encoding: 'utf8',
        env,
        cwd: home,
      }).stdout
    const screen = () => tmux('capture-pane', '-p', '-t', 'tui')
    const shows = async (words: RegExp) => {
      await until(() => words.test(screen()), 180_000, `${String(words)}`).catch(
        (error: unknown) => {
          throw new Error(`${String(error)} on\n${screen()}`)
        },
      )
    }
    try {
      tmux(
        'new-session',
        '-d',
        '-s',
        'tui',
        '-x',
        '140',
        '-y',
        '45',
        binary,
        'attach',
        system.api.url,
        '--password',
        bearer,
      )
      await shows(/Ask anything/)
      tmux('send-keys', '-t', 'tui', '-l', 'typed into the terminal')
      await shows(/typed into the terminal/)
      tmux('send-keys', '-t', 'tui', 'Enter')
      await shows(/Scripted answer to: typed into the terminal/)
    } finally {
      const pid = Number(tmux('display-message', '-p', '-t', 'tui', '#{pane_pid}'))
      tmux('kill-server')
      // The client still writes its state as it ends, and its directory is about to be removed.
      await until(() => !existsSync(`/proc/${pid.toString()}`), 30_000, 'the client to end')
    }
  })
})

/** Turns of a session that wait or run. */
async function open(sessionID: string): Promise<number> {
  const rows = await system.stores.postgres.primary.query(
    `SELECT 1 FROM turns WHERE session_id = $1 AND status IN ('pending', 'queued', 'running')`,
    [sessionID],
  )
  return rows.length
}

/** Runs the client to its end, without a terminal. @returns what it printed */
function run(args: string[], env: Record<string, string>): Promise<string> {
  return new Promise((done, reject) => {
    const child = spawn(binary, args, { env, cwd: env['HOME'], stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
      })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) done(output)
      else reject(new Error(`opencode ended with ${String(code)}:\n${output}`))
    })
  })
}
