import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TurnTokens } from '../../../services/api/turns/token.ts'
import type { Stores } from '../../../test/services/support/api.ts'
import { startApiProcess, turnTokenSecret } from './api-process.ts'
import { median, percentile, type Finding } from './finding.ts'

const rounds = 12
const chunks = 100
/** Time between two chunks, ms: a fast model. */
const pace = 5

/** A model whose chunks say when they were sent, by this process's clock. */
async function startClockModel(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    request.resume()
    void (async () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let index = 0; index < chunks; index++) {
        const choices = [
          {
            index: 0,
            delta: { content: 'word' },
            finish_reason: index === chunks - 1 ? 'stop' : null,
          },
        ]
        response.write(
          `data: ${JSON.stringify({ object: 'chat.completion.chunk', sent: performance.now(), choices })}\n\n`,
        )
        await sleep(pace)
      }
      response.end('data: [DONE]\n\n')
    })()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}/v1`, close }
}

/** How long each chunk of one stream was on its way, ms. */
async function delays(url: string, headers: Record<string, string>): Promise<number[]> {
  const body = JSON.stringify({ model: 'one', stream: true, messages: [] })
  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  if (!response.ok || response.body === null)
    throw new Error(`the model answered ${response.status.toString()}: ${await response.text()}`)
  const found: number[] = []
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const now = performance.now()
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const sent = /"sent":([\d.]+)/.exec(line)?.[1]
      if (sent !== undefined) found.push(now - Number(sent))
    }
  }
  return found
}

/** A turn that a worker has, which a token is good for. */
async function runningTurn({ postgres }: Stores): Promise<void> {
  await postgres.primary.query("INSERT INTO tenants (id) VALUES ('bench') ON CONFLICT DO NOTHING")
  await postgres.primary.query(
    `INSERT INTO sessions (id, tenant, user_id, root_id, directory, title, info, head_seq)
     VALUES ('ses_bench', 'bench', 'bench', 'ses_bench', '/', '', '{}', 0)`,
  )
  await postgres.primary.query(
    `INSERT INTO turns (id, tenant, user_id, session_id, root_id, request, request_digest, status,
       heartbeat_at, deadline) VALUES ('turn_bench', 'bench', 'bench', 'ses_bench', 'ses_bench', '{}',
       '', 'running', now() + interval '1 hour', now() + interval '1 hour')`,
  )
}

/** What the API adds to each chunk of a model's answer on its way to an engine. */
export async function benchLlmStream(stores: Stores): Promise<Finding[]> {
  const model = await startClockModel()
  const file = join(mkdtempSync(join(tmpdir(), 'opencode-bench-')), 'llm.json')
  writeFileSync(
    file,
    JSON.stringify({
      providers: { clock: { kind: 'openai', baseURL: model.url, models: { one: {} } } },
      model: 'clock/one',
    }),
  )
  const api = await startApiProcess(stores, { LLM_CONFIG: file })
  try {
    await runningTurn(stores)
    const claims = { turn: 'turn_bench', session: 'ses_bench', tenant: 'bench' }
    const bearer = await new TurnTokens(turnTokenSecret).sign(
      claims,
      new Date(Date.now() + 3_600_000),
    )
    const direct: number[] = []
    const proxied: number[] = []
    for (let round = 0; round < rounds + 1; round++) {
      const a = await delays(model.url, {})
      const b = await delays(`${api.url}/internal/llm/clock/v1`, {
        authorization: `Bearer ${bearer}`,
      })
      // The first round warms up.
      if (round > 0) {
        direct.push(...a)
        proxied.push(...b)
      }
    }
    const both = (share: number) =>
      `p${share.toString()} ${percentile(proxied, share).toFixed(2)} ms beside ${percentile(direct, share).toFixed(2)} ms`
    return [
      {
        what: 'LLM stream through the API, added p50 per chunk',
        measured: median(proxied) - median(direct),
        limit: 2,
        unit: 'ms',
        decimals: 3,
        detail: `${both(50)} direct, ${both(99)}; ${proxied.length.toString()} chunks`,
      },
    ]
  } finally {
    await api.stop()
    model.close()
  }
}
