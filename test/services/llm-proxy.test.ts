import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve, type ServerType } from '@hono/node-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createLlmProxy, type LlmUsage } from '../../services/api/llm/proxy.ts'
import type { UpstreamLimits } from '../../services/api/llm/upstream.ts'
import { parseLlmConfig } from '../../services/runtime/llm-config.ts'
import { startAnthropicModel } from '../models/anthropic.ts'
import { startOpenAI } from '../models/openai-itself.ts'
import { startCompatibleModel } from '../models/openai.ts'
import type { ModelServer } from '../models/server.ts'
import { freePort } from './support/free-port.ts'
import { until } from './support/until.ts'

const keys = { OPENAI_KEY: 'sk-openai-test', ANTHROPIC_KEY: 'sk-anthropic-test' }

/** Short, so that the tests need not wait; the order of things is what they check. */
const limits: UpstreamLimits = {
  connectTimeout: 2_000,
  headersTimeout: 1_000,
  idleTimeout: 1_000,
  retries: 2,
  retryDelay: 1,
  maxRetryAfter: 2_000,
  breakerFailures: 5,
  breakerPause: 300,
}

let openai: ModelServer
let anthropic: ModelServer
let reasoning: ModelServer
/** Takes requests and never answers. */
let silent: Server
let silentCalls = 0
let proxy: Proxy

interface Proxy {
  url: string
  usage: LlmUsage[]
  errors: string[]
  tokens: string[]
  close(): Promise<void>
}

beforeAll(async () => {
  openai = await startCompatibleModel()
  anthropic = await startAnthropicModel()
  reasoning = await startOpenAI()
  silent = createServer(() => {
    silentCalls += 1
  })
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
})
afterAll(async () => {
  await openai.close()
  await anthropic.close()
  await reasoning.close()
  silent.closeAllConnections()
  silent.close()
})
beforeEach(async () => {
  openai.calls.length = 0
  openai.abandoned = 0
  silentCalls = 0
  caller = { tenant: 'acme', turnID: 'turn_1', sessionID: 'ses_1' }
  proxy = await startProxy()
})
afterEach(async () => {
  await proxy.close()
})

/** Whose the calls are. */
let caller = { tenant: 'acme', turnID: 'turn_1', sessionID: 'ses_1' }

async function startProxy(
  more: Partial<UpstreamLimits> = {},
  drainTimeout = 2_000,
): Promise<Proxy> {
  const { port } = silent.address() as AddressInfo
  const models = { one: {} }
  const config = parseLlmConfig({
    providers: {
      gpt: { kind: 'openai', baseURL: openai.url, apiKeyEnv: 'OPENAI_KEY', models },
      claude: { kind: 'anthropic', baseURL: anthropic.url, apiKeyEnv: 'ANTHROPIC_KEY', models },
      silent: { kind: 'openai', baseURL: `http://127.0.0.1:${port.toString()}/v1`, models },
      nowhere: {
        kind: 'openai',
        baseURL: `http://127.0.0.1:${(await freePort()).toString()}/v1`,
        models,
      },
      gpt5: { kind: 'openai', api: 'responses', baseURL: reasoning.url, models: { 'gpt-5': {} } },
      headed: {
        kind: 'openai',
        baseURL: openai.url,
        models: { one: { headers: { 'X-Team': 'a' }, options: { guided_choice: ['a'] } } },
      },
      keyless: { kind: 'openai', baseURL: openai.url, apiKeyEnv: 'NO_SUCH_KEY', models },
    },
    model: 'gpt/one',
  })
  const usage: LlmUsage[] = []
  const errors: string[] = []
  const tokens: string[] = []
  const app = createLlmProxy({
    config,
    caller: () => caller,
    record: (entry) => {
      usage.push(entry)
      return Promise.resolve()
    },
    metrics: {
      tokens: (provider, model, type, count) => {
        tokens.push(`${provider} ${model} ${type} ${count.toString()}`)
      },
      duration: () => undefined,
      error: (provider, reason) => {
        errors.push(`${provider} ${reason}`)
      },
    },
    onError: (error) => {
      throw error
    },
    limits: { ...limits, ...more },
    drainTimeout,
    env: keys,
  })
  let server: ServerType | undefined
  const url = await new Promise<string>((done) => {
    server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port: bound }) => {
      done(`http://127.0.0.1:${bound.toString()}`)
    })
  })
  const close = async (): Promise<void> => {
    await app.close()
    server?.close()
    if (server && 'closeAllConnections' in server) server.closeAllConnections()
  }
  return { url, usage, errors, tokens, close }
}

interface Ask {
  provider?: string
  stream?: boolean
  signal?: AbortSignal
  model?: string
  headers?: Record<string, string>
}

function ask(
  prompt: string,
  { provider = 'gpt', stream = true, signal, model = 'one', headers = {} }: Ask = {},
): Promise<Response> {
  const path = provider === 'claude' ? 'messages' : 'chat/completions'
  const body = JSON.stringify({
    model,
    stream,
    max_tokens: 100,
    messages: [{ role: 'user', content: prompt }],
  })
  return fetch(`${proxy.url}/${provider}/v1/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    ...(signal ? { signal } : {}),
  })
}

/** Reads one chunk and goes away. */
async function leaveInTheMiddle(prompt: string, options: Ask = {}): Promise<void> {
  const leaving = new AbortController()
  const response = await ask(prompt, { ...options, signal: leaving.signal })
  const reader = response.body?.getReader()
  await reader?.read()
  leaving.abort()
}

describe('a provider of kind openai', () => {
  test('streams its answer, with the key of this process and usage that was not asked for', async () => {
    const response = await ask('[[say hello]]', {
      headers: { authorization: 'Bearer the-turn-token' },
    })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const text = await response.text()
    expect(text).toContain('"content":"hello"')
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(openai.calls[0]?.headers['authorization']).toBe(`Bearer ${keys.OPENAI_KEY}`)
    expect(openai.calls[0]?.body['stream_options']).toEqual({ include_usage: true })
    expect(proxy.usage).toEqual([
      {
        tenant: 'acme',
        turnID: 'turn_1',
        sessionID: 'ses_1',
        provider: 'gpt',
        model: 'one',
        estimated: false,
        tokens: { input: 100, output: 10, cache_read: 40 },
      },
    ])
    expect(proxy.tokens).toEqual([
      'gpt one input 100',
      'gpt one output 10',
      'gpt one cache_read 40',
    ])
    expect(proxy.errors).toEqual([])
  })

  test('answers whole where no stream was asked for', async () => {
    const response = await ask('[[say hello]]', { stream: false })
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'hello' } }] })
    expect(proxy.usage).toMatchObject([{ tokens: { input: 100, output: 10 }, estimated: false }])
  })
})

describe('a provider of kind anthropic', () => {
  test('streams its answer, with its headers and its key', async () => {
    anthropic.calls.length = 0
    const headers = {
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'interleaved-thinking-2025-05-14',
      'x-api-key': 'the-turn-token',
    }
    const response = await ask('[[say hello]]', { provider: 'claude', headers })
    expect(await response.text()).toContain('event: message_stop')
    expect(anthropic.calls[0]?.headers).toMatchObject({
      'x-api-key': keys.ANTHROPIC_KEY,
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'interleaved-thinking-2025-05-14',
    })
    expect(proxy.usage).toMatchObject([
      {
        provider: 'claude',
        tokens: { input: 60, output: 10, cache_read: 40, cache_write: 5 },
        estimated: false,
      },
    ])
  })

  test('counts what an answer cut in the middle has cost', async () => {
    const response = await ask(`[[say ${'word '.repeat(40)}]] [[truncate]]`, { provider: 'claude' })
    await expect(response.text()).rejects.toThrow()
    await until(() => proxy.usage.length > 0)
    expect(proxy.usage).toMatchObject([{ tokens: { input: 60 }, estimated: true }])
    expect(proxy.usage[0]?.tokens.output).toBeGreaterThan(10)
    expect(proxy.errors).toEqual(['claude truncated'])
  })
})

describe('a client that goes away', () => {
  test('in the middle of a stream: the answer is read to its end and counted once', async () => {
    await leaveInTheMiddle(`[[say ${'word '.repeat(40)}]] [[slow 400]]`)
    await until(() => proxy.usage.length > 0)
    expect(proxy.usage).toMatchObject([{ tokens: { input: 100, output: 10 }, estimated: false }])
    expect(openai.abandoned).toBe(0)
    expect(proxy.errors).toEqual([])
  })

  test('from a provider that then says nothing more: what was said is counted, the connection let go', async () => {
    await proxy.close()
    proxy = await startProxy({ idleTimeout: 30_000 }, 200)
    await leaveInTheMiddle(`[[say ${'word '.repeat(40)}]] [[stall]]`)
    await until(() => proxy.usage.length > 0 && openai.abandoned > 0)
    expect(proxy.usage).toMatchObject([{ estimated: true }])
    expect(proxy.errors).toEqual([])
  })

  test('before the answer begins: the call is ended and the provider not blamed', async () => {
    for (let round = 0; round < 2 * limits.breakerFailures; round++) {
      const leaving = new AbortController()
      const before = silentCalls
      const answer = ask('anybody?', { provider: 'silent', signal: leaving.signal }).catch(
        () => undefined,
      )
      await until(() => silentCalls > before)
      leaving.abort()
      await answer
    }
    expect(proxy.errors).toEqual([])
    // The breaker is closed still: the next call reaches the provider and runs into the time limit.
    expect((await ask('anybody?', { provider: 'silent' })).status).toBe(424)
  })
})

describe('a provider that fails', () => {
  test('is asked again before the first byte', async () => {
    const response = await ask('[[say third time lucky]] [[fail 503 2]]')
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('third time lucky')
    expect(openai.calls).toHaveLength(3)
    expect(proxy.usage).toHaveLength(1)
  })

  test('hands its own error on when it stays', async () => {
    const response = await ask('[[fail 529]]')
    expect(response.status).toBe(529)
    expect(await response.json()).toMatchObject({ error: { type: 'scripted_failure' } })
    expect(openai.calls).toHaveLength(3)
    expect(proxy.errors).toEqual(['gpt status_529'])
    expect(proxy.usage).toEqual([])
  })

  test('is not asked again about a request it refuses', async () => {
    expect((await ask('[[fail 400]]')).status).toBe(400)
    expect(openai.calls).toHaveLength(1)
  })

  test.each(['truncate', 'disconnect'])(
    'is not asked again after the first byte: %s',
    async (how) => {
      const response = await ask(`[[say ${'word '.repeat(40)}]] [[${how}]]`)
      await expect(response.text()).rejects.toThrow()
      await until(() => proxy.usage.length > 0)
      expect(openai.calls).toHaveLength(1)
      expect(proxy.usage).toMatchObject([{ estimated: true }])
      expect(proxy.errors).toEqual(['gpt truncated'])
    },
  )

  test('and stalls in the middle runs into the time limit', async () => {
    const response = await ask(`[[say ${'word '.repeat(40)}]] [[stall]]`)
    await expect(response.text()).rejects.toThrow()
    await until(() => proxy.errors.length > 0)
    expect(proxy.errors).toEqual(['gpt timeout'])
  })

  test('and never answers is a timeout, and no connection is a 503', async () => {
    const late = await ask('anybody?', { provider: 'silent' })
    // The engine repeats what ends with 5xx; this call may have been billed.
    expect(late.status).toBe(424)
    expect(silentCalls).toBe(1)
    expect(await late.json()).toMatchObject({ error: { type: 'upstream_timeout' } })
    const unreachable = await ask('anybody?', { provider: 'nowhere' })
    expect(unreachable.status).toBe(503)
    expect(unreachable.headers.get('retry-after')).toBe('5')
    expect(proxy.errors).toEqual(['silent timeout', 'nowhere connect'])
  })

  test('and drops the connection before an answer is asked once: the call may have been billed', async () => {
    const response = await ask('[[reset]]')
    expect(response.status).toBe(424)
    expect(openai.calls).toHaveLength(1)
    expect(proxy.errors).toEqual(['gpt reset'])
  })

  test("that limits a key's rate is never left alone", async () => {
    for (let round = 0; round < limits.breakerFailures; round++)
      expect((await ask('[[fail 429]]')).status).toBe(429)
    expect((await ask('[[say hello]]')).status).toBe(200)
  })

  test("is left alone for the tenant whose calls fail, and for nobody else's", async () => {
    while ((await ask('[[fail 500]]')).status === 500);
    expect((await ask('[[say hello]]')).status).toBe(503)
    caller = { ...caller, tenant: 'other' }
    expect((await ask('[[say hello]]')).status).toBe(200)
  })

  test('is left alone by its own breaker, which no other provider feels, and tried again after a pause', async () => {
    while ((await ask('[[fail 500]]')).status === 500);
    const calls = openai.calls.length
    const refused = await ask('[[say hello]]')
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ error: { type: 'upstream_breaker' } })
    expect(openai.calls).toHaveLength(calls)
    expect((await ask('[[say hello]]', { provider: 'claude' })).status).toBe(200)
    await until(async () => (await ask('[[say hello]]')).status === 200)
    expect(proxy.errors.filter((error) => error.startsWith('claude'))).toEqual([])
  })
})

describe('what is not forwarded', () => {
  test.each([
    ['an unknown provider', 'other', 404, 'unknown_provider'],
    ['a name every object has', 'constructor', 404, 'unknown_provider'],
    ['a provider whose key is not set', 'keyless', 500, 'upstream_configuration'],
  ])('%s', async (_what, provider, status, type) => {
    const response = await ask('hello', { provider })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { type } })
    expect(openai.calls).toHaveLength(0)
  })

  test('an unknown model, another endpoint, a body that is no object', async () => {
    expect((await ask('hello', { model: 'two' })).status).toBe(404)
    expect((await ask('hello', { model: 'toString' })).status).toBe(404)
    const send = (path: string, body: string) =>
      fetch(`${proxy.url}${path}`, { method: 'POST', body }).then(({ status }) => status)
    expect(await send('/gpt/v1/embeddings', '{"model":"one"}')).toBe(404)
    expect(await send('/claude/v1/chat/completions', '{"model":"one"}')).toBe(404)
    for (const body of ['', 'null', '[]', '{', '{"model":1}'])
      expect(await send('/gpt/v1/chat/completions', body)).toBe(400)
    expect(openai.calls).toHaveLength(0)
  })
})

describe("OpenAI's Responses API", () => {
  const call = (body: object) =>
    fetch(`${proxy.url}/gpt5/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-5', store: false, input: '[[say hello]]', ...body }),
    })

  test.each([true, false])('is counted, streamed: %s', async (stream) => {
    const response = await call({ stream })
    expect(await response.text()).toContain('hello')
    await until(() => proxy.usage.length > 0)
    expect(proxy.usage).toMatchObject([
      { tokens: { input: 100, output: 10, cache_read: 40, reasoning: 5 }, estimated: false },
    ])
    expect(proxy.errors).toEqual([])
  })

  test.each([
    [{ store: true }, 'store'],
    [{ store: undefined }, 'store'],
    [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ background: true }, 'background'],
    [{ include: ['file_search_call.results'] }, 'include'],
    [{ tools: [{ type: 'web_search' }] }, 'web_search'],
    [{ tools: [{ type: 'mcp', server_url: 'https://evil.example' }] }, 'mcp'],
    [{ input: [{ id: 'msg_1', type: 'item_reference' }] }, 'item_reference'],
    [
      {
        input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://a.b/c' }] }],
      },
      'image_url',
    ],
    [{ input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] }, 'file_id'],
    [
      {
        input: [
          {
            type: 'function_call_output',
            call_id: 'c',
            output: [{ type: 'input_file', file_url: 'https://a.b/c' }],
          },
        ],
      },
      'file_url',
    ],
  ])('refuses %j', async (body, named) => {
    const before = reasoning.calls.length
    const response = await call(body)
    expect(response.status).toBe(400)
    const { error } = (await response.json()) as { error: { type: string; message: string } }
    expect(error.type).toBe('not_forwarded')
    expect(error.message).toContain(named)
    expect(reasoning.calls).toHaveLength(before)
  })
})

describe('what would reach beyond the provider', () => {
  const user = (part: object) => ({ messages: [{ role: 'user', content: [part] }] })
  const result = (part: object) => user({ type: 'tool_result', tool_use_id: 't', content: [part] })
  const byURL = { type: 'url', url: 'https://evil.example/?secret' }
  test.each([
    ['claude', { mcp_servers: [{ url: 'https://evil.example' }] }, {}, 'mcp_servers'],
    ['claude', { container: 'c' }, {}, 'container'],
    ['claude', { tools: [{ type: 'web_fetch_20250910', name: 'w' }] }, {}, 'web_fetch_20250910'],
    ['claude', { tools: [{ type: 'code_execution_20250825' }] }, {}, 'code_execution'],
    ['claude', user({ type: 'image', source: byURL }), {}, 'source.url'],
    ['claude', user({ type: 'document', source: byURL }), {}, 'source.url'],
    ['claude', result({ type: 'image', source: byURL }), {}, 'source.url'],
    ['claude', user({ type: 'image', source: { type: 'file', file_id: 'f' } }), {}, 'file_id'],
    ['claude', user({ type: 'container_upload', file_id: 'f' }), {}, 'container_upload'],
    ['claude', {}, { 'anthropic-beta': 'mcp-client-2025-04-04' }, 'mcp-client-2025-04-04'],
    ['gpt', { web_search_options: {} }, {}, 'web_search_options'],
    ['gpt', { n: 100 }, {}, '"n"'],
    ['gpt', { tools: [{ type: 'web_search' }] }, {}, 'web_search'],
    ['gpt', user({ type: 'image_url', image_url: { url: 'https://a.b/c' } }), {}, 'image_url'],
    ['gpt', user({ type: 'file', file: { file_id: 'f' } }), {}, 'file_id'],
    ['gpt', { messages: [{ role: 'owner', content: 'x' }] }, {}, 'owner'],
  ])('%s: %j %j is refused by name', async (provider, more, headers, named) => {
    const path = provider === 'claude' ? 'messages' : 'chat/completions'
    const before = openai.calls.length + anthropic.calls.length
    const response = await fetch(`${proxy.url}/${provider}/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({
        model: 'one',
        max_tokens: 10,
        messages: [{ role: 'user', content: 'x' }],
        ...more,
      }),
    })
    expect(response.status).toBe(400)
    const { error } = (await response.json()) as { error: { type: string; message: string } }
    expect(error.type).toBe('not_forwarded')
    expect(error.message).toContain(named)
    expect(openai.calls.length + anthropic.calls.length).toBe(before)
  })

  test('more calls of one turn at once than it may make: 429, until one ends', async () => {
    await proxy.close()
    proxy = await startProxy({ idleTimeout: 30_000 }, 200)
    const leaving = new AbortController()
    const { signal } = leaving
    const open = await Promise.all(
      Array.from({ length: 8 }, () => ask(`[[say ${'a '.repeat(40)}]] [[stall]]`, { signal })),
    )
    expect(open.map(({ status }) => status)).toEqual(Array(8).fill(200))
    const refused = await ask('one more')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toMatchObject({ error: { type: 'too_many_calls' } })
    caller = { ...caller, turnID: 'turn_2' }
    expect((await ask('of another turn')).status).toBe(200)
    caller = { ...caller, turnID: 'turn_1' }
    leaving.abort()
    await until(async () => (await ask('one more')).status === 200)
  })
})

describe("a model's own headers and options", () => {
  test('are sent, and only its own', async () => {
    const response = await fetch(`${proxy.url}/headed/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'one',
        guided_choice: ['a'],
        messages: [{ role: 'user', content: 'x' }],
      }),
    })
    expect(response.status).toBe(200)
    expect(openai.calls[0]?.headers['x-team']).toBe('a')
    expect(openai.calls[0]?.body['guided_choice']).toEqual(['a'])
  })
})
