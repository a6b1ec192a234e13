import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SpanKind } from '@opentelemetry/api'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseLlmConfig } from '../../services/runtime/llm-config.ts'
import { startTracing } from '../../services/runtime/tracing.ts'
import { startAnthropicModel } from '../models/anthropic.ts'
import type { ModelServer } from '../models/server.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { LocalSandboxes } from './support/local-sandboxes.ts'
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from './support/otlp.ts'
import { until } from './support/until.ts'
import { startWorker, type TestWorker } from './support/worker.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

/** On the wire a kind is one more than in the API. */
const kind = (name: keyof typeof SpanKind) => SpanKind[name] + 1

let receiver: OtlpReceiver
let stopTracing: () => Promise<void>
let model: ModelServer
let stores: Stores
let api: TestApi
let worker: TestWorker
let pool: LocalSandboxes
const workspaceRoot = mkdtempSync(join(tmpdir(), 'opencode-workspace-'))
const traceId = '0af7651916cd43dd8448eb211c80319c'
const words = 'words-that-no-span-may-have'

beforeAll(async () => {
  receiver = await startOtlpReceiver()
  const tracing = {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  }
  Object.assign(process.env, tracing)
  stopTracing = startTracing('opencode-api')
  model = await startAnthropicModel()
  const llm = parseLlmConfig({
    providers: {
      anthropic: { kind: 'anthropic', baseURL: model.url, models: { 'claude-test': {} } },
    },
    model: 'anthropic/claude-test',
  })
  const file = join(mkdtempSync(join(tmpdir(), 'opencode-llm-')), 'llm.json')
  writeFileSync(file, JSON.stringify(llm))
  stores = await startStores()
  pool = await LocalSandboxes.start({ workspaceRoot, env: { LLM_CONFIG: file } })
  api = await startTestApi(stores, { workspaceRoot }, llm, pool)
  worker = await startWorker({
    redisURL: stores.redis.url,
    apiURL: api.url,
    env: { ...tracing, LLM_CONFIG: file },
  })
})
afterAll(async () => {
  await worker.stop()
  await api.stop()
  await pool.stop()
  await stores.stop()
  await model.close()
  await stopTracing()
  receiver.close()
})

const inTrace = () => receiver.spans.filter((span) => span.traceId === traceId)
const named = (name: string) => inTrace().filter((span) => span.name === name)

/** The names from a span up to the root, nearest first. */
function ancestors(span: ReceivedSpan): string[] {
  const names: string[] = []
  for (let parent = span.parentSpanId; ;) {
    const found = inTrace().find(({ spanId }) => spanId === parent)
    if (found === undefined) return names
    names.push(found.name)
    parent = found.parentSpanId
  }
}

describe('GIVEN a collector, an API and a worker', () => {
  let session: string

  test('WHEN a client that traces sends a prompt THEN all that follows is one trace', async () => {
    const client = new Client(api.url, await token('acme', { user: 'ada' }))
    session = (await client.call<{ id: string }>('POST', '/session', {})).id
    const text = `${words} [[tool bash ${JSON.stringify({ command: `echo ${words}`, description: 'A test' })}]]`
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
    const response = await client.send(
      'POST',
      `/session/${session}/message`,
      { parts: [{ type: 'text', text }] },
      headers,
    )
    expect(response.status).toBe(200)
    await response.text()
    await until(
      () => named('turn').length > 0 && named('chat.request').length > 0,
      60_000,
      'the spans of both processes',
    )
    expect(new Set(inTrace().map(({ service }) => service))).toEqual(
      new Set(['opencode-api', 'opencode-worker']),
    )
  })

  test('THEN it begins with chat.request, which loads and queues', () => {
    const [request] = named('chat.request')
    expect(request).toMatchObject({
      service: 'opencode-api',
      parentSpanId: 'b7ad6b7169203331',
      kind: kind('SERVER'),
      attributes: {
        'session.id': session,
        'user.id': 'ada',
        'tenant.id': 'acme',
        'http.route': '/session/:sessionID/message',
        'http.response.status_code': 200,
      },
    })
    for (const name of ['load.messages', 'queue'])
      expect(named(name)).toContainEqual(expect.objectContaining({ parentSpanId: request?.spanId }))
  })

  test('THEN it goes through the queue into the worker and its tools', () => {
    const [turn] = named('turn')
    expect(turn).toMatchObject({
      service: 'opencode-worker',
      kind: kind('CONSUMER'),
      attributes: { 'turn.outcome': 'completed' },
    })
    expect(turn && ancestors(turn)).toEqual(['queue', 'chat.request'])
    const [tool] = named('execute_tool bash')
    expect(tool).toMatchObject({
      service: 'opencode-worker',
      parentSpanId: turn?.spanId,
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'bash',
        'gen_ai.conversation.id': session,
        'gen_ai.tool.call.id': expect.any(String),
      },
    })
  })

  test('THEN every model call is a client span of the API with what it cost, under both sets of names', () => {
    const calls = named('llm.request')
    expect(calls.length).toBeGreaterThanOrEqual(2)
    for (const call of calls) {
      expect(call).toMatchObject({
        service: 'opencode-api',
        kind: kind('CLIENT'),
        status: 0,
        attributes: {
          'llm.provider': 'anthropic',
          'llm.model': 'claude-test',
          'llm.tokens.input': 60,
          'llm.tokens.output': expect.any(Number),
          'gen_ai.operation.name': 'chat',
          'gen_ai.provider.name': 'anthropic',
          'gen_ai.request.model': 'claude-test',
          'gen_ai.conversation.id': session,
          'gen_ai.usage.input_tokens': 60,
          'gen_ai.usage.output_tokens': expect.any(Number),
          'gen_ai.usage.cache_read.input_tokens': 40,
          'gen_ai.usage.cache_creation.input_tokens': 5,
        },
      })
      expect(ancestors(call)).toContain('turn')
      expect(ancestors(call).at(-1)).toBe('chat.request')
    }
    expect(new Set(calls.map(({ attributes }) => attributes['llm.tokens.output']))).toEqual(
      new Set([10, 20]),
    )
  })

  test('THEN no span has words of the conversation', () => {
    expect(JSON.stringify(receiver.spans)).not.toContain(words)
  })

  test('THEN every line of a log about it names the trace', () => {
    const lines = `${api.logs()}${worker.process.log}`
      .split('\n')
      .filter(
        (line) => line.includes('"turn over"') || line.includes('/session/:sessionID/message'),
      )
    expect(lines.length).toBeGreaterThan(1)
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ trace: traceId })
  })
})

describe('GIVEN metrics of the same API', () => {
  test("THEN they have the document's names and buckets, and routes instead of paths", async () => {
    const text = await fetch(`http://127.0.0.1:${api.metricsPort.toString()}/metrics`).then(
      (response) => response.text(),
    )
    expect(text).toMatch(
      /^http_requests_total\{method="POST",path="\/session\/:sessionID\/message",status="200"\} 1$/m,
    )
    expect(text).not.toMatch(/path="[^"]*ses_/)
    const buckets = (name: string, source: string) =>
      new Set(
        [...source.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"`, 'gm'))].map(
          ([, le]) => le,
        ),
      )
    expect(buckets('http_request_duration_seconds', text)).toEqual(
      new Set(['0.01', '0.05', '0.1', '0.5', '1', '5', '10', '+Inf']),
    )
    expect(text).toMatch(/^opencode_active_sessions \d+$/m)
    expect(text).toMatch(
      /^opencode_llm_tokens_total\{provider="anthropic",model="claude-test",type="input"\} (120|180|240)$/m,
    )
    const own = await worker.metrics()
    expect(buckets('opencode_tool_execution_seconds', own)).toEqual(
      new Set(['0.1', '0.5', '1', '5', '10', '30', '60', '+Inf']),
    )
    expect(own).toMatch(/^opencode_tool_execution_seconds_count\{tool="bash"\} 1$/m)
    expect(own).toMatch(/^nodejs_eventloop_lag_seconds /m)
  })

  test("THEN the queue's depth has the states that the chart asks Prometheus for", async () => {
    const golden = join(
      import.meta.dirname,
      '../golden/keda-redis-external/scaledobject.opencode-workers.opencode-worker.yaml',
    )
    const states = [
      ...readFileSync(golden, 'utf8').matchAll(
        /opencode_queue_depth\{[^}]*queue="turns",state="(\w+)"/g,
      ),
    ].map(([, state]) => state ?? '')
    expect(states).toEqual(['waiting', 'active'])
    const text = await fetch(`http://127.0.0.1:${api.metricsPort.toString()}/metrics`).then(
      (response) => response.text(),
    )
    const exported = [
      ...text.matchAll(/^opencode_queue_depth\{queue="turns",state="(\w+)"\} \d+$/gm),
    ].map(([, state]) => state)
    expect(exported).toEqual(expect.arrayContaining(states))
  })
})
