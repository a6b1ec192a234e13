import { rmSync } from 'node:fs'
import type { LlmConfig } from '../../../services/runtime/llm-config.ts'
import { engineConfig } from '../../../services/runtime/engine-config.ts'
import { freePort } from './free-port.ts'
import { answers, ServerProcess, tempDir } from './process.ts'
import { engineBinary } from './local-sandboxes.ts'

/** An `opencode serve` as a person starts it, without any of the service around it. */
export interface BareEngine {
  readonly url: string
  readonly home: string
  readonly pid: number | undefined
  /** Sends and reads JSON. @throws Error on a status that is not 2xx */
  call<T = unknown>(method: string, path: string, body?: unknown): Promise<T>
  stop(): Promise<void>
}

/** Starts one with the scripted models' providers. */
export async function startBareEngine(llm: LlmConfig): Promise<BareEngine> {
  const port = (await freePort()).toString()
  const url = `http://127.0.0.1:${port}`
  const home = tempDir('bare-home')
  const config = engineConfig(llm, null, url) as {
    provider: Record<string, { options: object }>
  }
  for (const [id, { baseURL }] of Object.entries(llm.providers)) {
    const provider = config.provider[id]
    if (provider) provider.options = { baseURL, apiKey: 'none' }
  }
  const engine = new ServerProcess(
    engineBinary,
    ['serve', '--port', port, '--hostname', '127.0.0.1'],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: home,
        OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      },
    },
  )
  await engine.start(answers(`${url}/global/health`), 180_000)
  return {
    url,
    home,
    pid: engine.pid,
    call: async (method, path, body) => {
      const response = await fetch(url + path, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status.toString()} ${text}`)
      return JSON.parse(text) as never
    },
    stop: async () => {
      await engine.stop('SIGKILL')
      rmSync(home, { recursive: true, force: true })
    },
  }
}
