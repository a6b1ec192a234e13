import { spawn } from 'node:child_process'
import { on } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

/** Base of a running engine; ended when `use` returns. */
export async function withEngine<T>(
  binary: string,
  use: (url: string, directory: string) => Promise<T>,
): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'opencode-catalogue-'))
  const home = join(root, 'home')
  const directory = join(root, 'workspace')
  mkdirSync(home)
  mkdirSync(directory)
  const config = {
    provider: {
      demo: {
        npm: '@ai-sdk/openai-compatible',
        name: 'demo',
        options: { baseURL: 'http://127.0.0.1:9/v1' },
        models: { scripted: {} },
      },
    },
    model: 'demo/scripted',
  }
  const child = spawn(binary, ['serve', '--port', '0', '--hostname', '127.0.0.1'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
    },
  })
  try {
    const url = await listening(child.stdout, binary)
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
export async function readEngine(
  binary: string,
): Promise<{ document: EngineDocument; catalogue: Record<string, unknown> }> {
  return withEngine(binary, async (url, directory) => {
    const get = async (path: string): Promise<unknown> => {
      const response = await fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`)
      if (!response.ok)
        throw new Error(`the engine answered ${response.status.toString()} to ${path}`)
      const root = directory.slice(0, -'/workspace'.length)
      const text = (await response.text())
        .replaceAll(`${root}/home`, '/home/opencode')
        .replaceAll(directory, '/workspace')
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
        '//': 'generated from the pinned engine by npm run compatibility',
        version: health.version,
        toolIDs: await get('/experimental/tool/ids'),
        endpoints: Object.entries(document.paths)
          .flatMap(([path, methods]) =>
            Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
          )
          .sort(),
      },
    }
    return { document, catalogue }
  })
}

/** The address that the engine says it listens on, once it does. */
async function listening(stdout: Readable, binary: string): Promise<string> {
  const signal = AbortSignal.timeout(180_000)
  let said = ''
  try {
    for await (const [chunk] of on(stdout, 'data', { signal, close: ['end'] }) as AsyncIterable<
      [Buffer]
    >) {
      said += chunk.toString()
      const url = /listening on (http:\S+)\s/u.exec(said)?.[1]
      if (url !== undefined) return url
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    // What it says later would fill the pipe.
    stdout.resume()
  }
  throw new Error(`the engine ${binary} does not listen; it said: ${said.slice(-500)}`)
}
