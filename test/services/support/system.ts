import { rmSync } from 'node:fs'
import type { ApiConfig } from '../../../services/runtime/config.ts'
import type { LlmConfigInput } from '../../../services/runtime/llm-config.ts'
import { Client, startStores, startTestApi, token, type Stores, type TestApi } from './api.ts'
import type { EngineTap } from './engine-tap.ts'
import { startModels, type Models } from './models.ts'
import { tempDir } from './process.ts'
import { startWorker, type TestWorker } from './worker.ts'

/** Everything of one region: stores, API, one worker with the real engine, scripted models. */
export interface System {
  readonly stores: Stores
  readonly api: TestApi
  readonly worker: TestWorker
  readonly models: Models
  /** Path under which sessions have their directories. */
  readonly workspaceRoot: string
  client(tenant?: string): Promise<Client>
  /** Ends the worker as a lost node does, and starts another. */
  loseWorker(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts them in this order; a turn can be sent when it returns.
 * @param options - Providers in place of the scripted models', and what to place before the engine.
 */
export async function startSystem(
  overrides: Partial<ApiConfig> = {},
  { llm, tap }: { llm?: LlmConfigInput; tap?: EngineTap } = {},
): Promise<System> {
  const workspaceRoot = tempDir('workspace')
  const [stores, models] = await Promise.all([startStores(), startModels(llm)])
  const api = await startTestApi(stores, { workspaceRoot, ...overrides }, models.llm)
  const start = () =>
    startWorker({
      redisURL: stores.redis.url,
      apiURL: api.url,
      workspaceRoot,
      env: { LLM_CONFIG: models.file },
      tap,
    })
  let worker = await start()
  return {
    stores,
    api,
    models,
    workspaceRoot,
    get worker() {
      return worker
    },
    client: async (tenant = 'acme') => new Client(api.url, await token(tenant)),
    loseWorker: async () => {
      await worker.kill()
      worker = await start()
    },
    stop: async () => {
      await worker.stop()
      await api.stop()
      await Promise.all([models.stop(), stores.stop()])
      rmSync(workspaceRoot, { recursive: true, force: true })
    },
  }
}
