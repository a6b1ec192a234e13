import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Base of a running engine; ended when `use` returns. */
export async function withEngine<T>(binary: string, use: (url: string, directory: string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'opencode-catalogue-'))
  const home = join(root, 'home')
  const directory = join(root, 'workspace')
  mkdirSync(home)
  mkdirSync(directory)
  const port = await freePort()
  const config = {
    provider: { demo: { npm: '@ai-sdk/openai-compatible', name: 'demo', options: { baseURL: 'http://127.0.0.1:9/v1' }, models: { scripted: {} } } }, model: 'demo/scripted',
  }
  const child = spawn(binary, ['serve', '--port', port.toString(), '--hostname', '127.0.0.1'], {
    cwd: directory, stdio: 'ignore',
    env: {
      PATH: process.env['PATH'] ?? '', HOME: home, OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
    },
  })
  const url = `http://127.0.0.1:${port.toString()}`
  try {
    for (const deadline = Date.now() + 180_000; !(await answers(`${url}/global/health`));) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error(`the engine ${binary} does not answer`)
      await sleep(200)
    }
    return await use(url, directory)
  } finally {
    child.kill('SIGKILL')
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/** The engine's OpenAPI document, as far as it is looked at. */
export interface EngineDocument {
  paths: Record<string, Record<string, object>>
  [field: string]: unknown
}

/** Reads from the engine itself its OpenAPI document and the committed views, by file name. */
export async function readEngine(binary: string): Promise<{ document: EngineDocument; catalogue: Record<string, unknown> }> {
  return withEngine(binary, async (url, directory) => {
    const get = async (path: string): Promise<unknown> => {
      const response = await fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`)
      if (!response.ok) throw new Error(`the engine answered ${response.status.toString()} to ${path}`)
      const root = directory.slice(0, -'/workspace'.length)
      const text = (await response.text()).replaceAll(`${root}/home`, '/home/opencode').replaceAll(directory, '/workspace')
      // Some patterns are written relative to the root directory.
      return JSON.parse(text.replaceAll(`${root.slice(1)}/home`, 'home/opencode')) as unknown
    }
    const health = (await get('/global/health')) as { version: string }
    const document = (await get('/doc')) as EngineDocument
    const catalogue = {
      'agents.json': await get('/agent'),
      'commands.json': await get('/command'),
      'skills.json': await get('/skill'),
      'engine.json': {
        '//': 'generated from the pinned engine by npm run compatibility', version: health.version, toolIDs: await get('/experimental/tool/ids'),
        endpoints: Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)).sort(),
      },
    }
    return { document, catalogue }
  })
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(2_000) }).then((response) => response.ok, () => false)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
