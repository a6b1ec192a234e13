import { rmSync } from 'node:fs'
import type { ApiConfig } from '../../../services/runtime/config.ts'
import type { LlmConfigInput } from '../../../services/runtime/llm-config.ts'
import { Client, startStores, startTestApi, token, type Stores, type TestApi } from './api.ts'
import type { EngineTap } from './engine-tap.ts'
import { LocalSandboxes } from './local-sandboxes.ts'
import { startModels, type Models } from './models.ts'
import { tempDir } from './process.ts'
import { startWorker, type TestWorker } from './worker.ts'

/** Everything of one region: stores, API, one worker, sandboxes with the real engine, scripted models. */
export interface System {
  readonly stores: Stores
  readonly api: TestApi
  readonly worker: TestWorker
  readonly sandboxes: LocalSandboxes
  readonly models: Models
  /** Path under which sessions have their directories. */
  readonly workspaceRoot: string
  client(tenant?: string): Promise<Client>
  /** Starts a second worker, beside the one that is there. */
  startSpare(): Promise<void>
  /** Ends the worker that runs a turn as a lost node does; the spare one stays. @returns when, ms */
  loseWorker(): Promise<number>
  stop(): Promise<void>
}

/**
 * Starts them in this order; a turn can be sent when it returns.
 * @param options - Providers in place of the scripted models', and what to place before engines, and what worker and sandboxes are told.
 */
export async function startSystem(
  overrides: Partial<ApiConfig> = {},
  {
    llm,
    tap,
    env = {},
    pool = 1,
  }: { llm?: LlmConfigInput; tap?: EngineTap; env?: Record<string, string>; pool?: number } = {},
): Promise<System> {
  const workspaceRoot = tempDir('workspace')
  const [stores, models] = await Promise.all([startStores(), startModels(llm)])
  const told = { LLM_CONFIG: models.file, ...env }
  const sandboxes = await LocalSandboxes.start({ workspaceRoot, pool, tap, env: told })
  const api = await startTestApi(stores, { workspaceRoot, ...overrides }, models.llm, sandboxes)
  const start = () => startWorker({ redisURL: stores.redis.url, apiURL: api.url, env: told })
  let worker = await start()
  let spare: TestWorker | undefined
  return {
    stores,
    api,
    models,
    sandboxes,
    workspaceRoot,
    get worker() {
      return worker
    },
    client: async (tenant = 'acme') => new Client(api.url, await token(tenant)),
    startSpare: async () => {
      spare = await start()
    },
    loseWorker: async () => {
      const [held] = await stores.postgres.primary.query<{ worker: string }>(
        `SELECT worker FROM turns WHERE status = 'running'`,
      )
      if (spare === undefined || held === undefined) throw new Error('no turn, or no spare worker')
      const [lost, left] = held.worker === worker.name ? [worker, spare] : [spare, worker]
      worker = left
      spare = undefined
      await lost.kill()
      return performance.now()
    },
    stop: async () => {
      await Promise.all([worker.stop(), spare?.stop()])
      await api.stop()
      await sandboxes.stop()
      await Promise.all([models.stop(), stores.stop()])
      rmSync(workspaceRoot, { recursive: true, force: true })
    },
  }
}
