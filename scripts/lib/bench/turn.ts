import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseLlmConfig, type LlmConfig } from '../../../services/runtime/llm-config.ts'
import { engineConfig } from '../../../services/runtime/engine-config.ts'
import { engineEnvironment, engineSettings } from '../../../services/sandbox/settings.ts'
import { startCompatibleModel } from '../../../test/models/openai.ts'
import type { Stores } from '../../../test/services/support/api.ts'
import { freePort } from '../../../test/services/support/free-port.ts'
import { engineBinary } from '../../../test/services/support/local-sandboxes.ts'
import { ServerProcess } from '../../../test/services/support/process.ts'
import { median, type Finding } from './finding.ts'
import { startService } from './service.ts'

const rounds = 9
/** Time the model takes for each of the turn's two answers, ms: short for a real model, so that the overhead is not hidden. */
const modelTime = 1_000

const tool = `[[tool bash ${JSON.stringify({ command: 'echo hello > note.txt; cat note.txt', description: 'Writes a note' })}]]`

interface Target {
  /** Prepares a session and returns what sends the prompt. */
  session(): Promise<(text: string) => Promise<void>>
  stop(): Promise<void>
}

/** One `opencode serve` that talks to the model itself. */
async function startBare(modelURL: string, llm: LlmConfig): Promise<Target> {
  const home = mkdtempSync(join(tmpdir(), 'opencode-bench-home-'))
  const port = await freePort()
  const password = randomBytes(12).toString('hex')
  const config = engineConfig(llm, null, 'http://unused')
  Object.assign((config['provider'] as Record<string, { options: object }>)['scripted'] ?? {}, {
    options: { baseURL: modelURL, apiKey: 'none' },
  })
  const settings = { ...engineSettings({}), home, tmp: join(home, 'tmp'), enginePort: port }
  mkdirSync(settings.tmp)
  const env = engineEnvironment(settings, config, password, 'bench')
  const server = new ServerProcess(
    engineBinary,
    ['serve', '--port', port.toString(), '--hostname', '127.0.0.1'],
    { env },
  )
  const url = `http://127.0.0.1:${port.toString()}`
  const headers = {
    authorization: `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`,
    'content-type': 'application/json',
  }
  const answers = () =>
    fetch(`${url}/global/health`, { headers, signal: AbortSignal.timeout(1_000) }).then(
      ({ ok }) => ok,
      () => false,
    )
  await server.start(answers, 60_000)
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    if (!response.ok)
      throw new Error(`the engine answered ${response.status.toString()} to ${path}`)
    return response.json()
  }
  const session = async () => {
    const directory = `directory=${encodeURIComponent(mkdtempSync(join(home, 'session-')))}`
    const { id } = (await post(`/session?${directory}`, {})) as { id: string }
    return async (text: string) => {
      await post(`/session/${id}/message?${directory}`, { parts: [{ type: 'text', text }] })
    }
  }
  return { session, stop: () => server.stop('SIGKILL') }
}

/** The same through API, queue and worker. */
async function startTarget(stores: Stores, llm: LlmConfig): Promise<Target> {
  const { client, ready, stop } = await startService(stores, llm)
  const session = async () => {
    await ready()
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    return async (text: string) => {
      await client.call('POST', `/session/${id}/message`, { parts: [{ type: 'text', text }] })
    }
  }
  return { session, stop }
}

async function time(target: Target, text: string): Promise<number> {
  const send = await target.session()
  const started = performance.now()
  await send(text)
  return performance.now() - started
}

/** A turn through API, queue and worker beside the same prompt on one bare engine; both warm, both new sessions, one after the other. */
export async function benchTurn(stores: Stores): Promise<Finding[]> {
  const model = await startCompatibleModel()
  const llm = parseLlmConfig({
    providers: { scripted: { kind: 'openai', baseURL: model.url, models: { one: {} } } },
    model: 'scripted/one',
  })
  const [bare, service] = [await startBare(model.url, llm), await startTarget(stores, llm)]
  try {
    const compare = async (text: string) => {
      const pairs: { bare: number; service: number }[] = []
      // The first round warms up.
      for (let round = 0; round <= rounds; round++) {
        const pair = { bare: await time(bare, text), service: await time(service, text) }
        if (round > 0) pairs.push(pair)
        process.stdout.write(
          `  round ${round.toString()}: ${pair.bare.toFixed(0)} ms bare, ${pair.service.toFixed(0)} ms here\n`,
        )
      }
      const middle = (key: 'bare' | 'service') => median(pairs.map((pair) => pair[key]))
      return {
        ratio: median(pairs.map((pair) => pair.service / pair.bare)),
        added: median(pairs.map((pair) => pair.service - pair.bare)),
        detail: `median ${middle('service').toFixed(0)} ms beside ${middle('bare').toFixed(0)} ms; ${rounds.toString()} pairs, one tool call`,
      }
    }
    const real = await compare(`${tool} [[slow ${modelTime.toString()}]]`)
    const instant = await compare(tool)
    return [
      {
        what: 'a turn beside a bare engine',
        measured: real.ratio,
        limit: 1.2,
        unit: '×',
        detail: `${real.detail}, a model that takes ${modelTime.toString()} ms for each of its two answers`,
      },
      {
        what: 'the same with a model that takes no time, added',
        measured: instant.added,
        unit: 'ms',
        decimals: 0,
        detail: instant.detail,
      },
    ]
  } finally {
    await bare.stop()
    await service.stop()
    await model.close()
  }
}
