import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ApiConfig } from '../../../services/runtime/config.ts'
import type { LlmConfig } from '../../../services/runtime/llm-config.ts'
import { startAnthropicModel } from '../../models/anthropic.ts'
import { startOpenAIModel } from '../../models/openai.ts'
import type { ModelServer } from '../../models/server.ts'
import { Client, startStores, startTestApi, token, type Stores, type TestApi } from './api.ts'
import { startWorker, type TestWorker } from './worker.ts'

/** Everything of one region: stores, API, one worker with the real engine, scripted models. */
export interface System {
  readonly stores: Stores
  readonly api: TestApi
  readonly worker: TestWorker
  readonly models: { openai: ModelServer; anthropic: ModelServer }
  /** Path under which sessions have their directories. */
  readonly workspaceRoot: string
  client(tenant?: string): Promise<Client>
  stop(): Promise<void>
}

/** Starts them in this order; a turn can be sent when it returns. */
export async function startSystem(overrides: Partial<ApiConfig> = {}): Promise<System> {
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'opencode-workspace-'))
  const [stores, openai, anthropic] = await Promise.all([startStores(), startOpenAIModel(), startAnthropicModel()])
  const llm: LlmConfig = {
    providers: {
      scripted: { kind: 'openai', baseURL: openai.url, models: { one: { name: 'Scripted' } } },
      claude: { kind: 'anthropic', baseURL: anthropic.url, models: { two: {} } },
    },
    model: 'scripted/one',
  }
  const llmFile = join(workspaceRoot, 'llm.json')
  writeFileSync(llmFile, JSON.stringify(llm))
  const api = await startTestApi(stores, { workspaceRoot, ...overrides }, llm)
  // A busy machine is no failure: an engine that starts slowly is waited for.
  const env = { LLM_CONFIG: llmFile, ENGINE_START_TIMEOUT_MS: '180000' }
  const worker = await startWorker({ redisURL: stores.redis.url, apiURL: api.url, workspaceRoot, env })
  return {
    stores, api, worker, models: { openai, anthropic }, workspaceRoot,
    client: async (tenant = 'acme') => new Client(api.url, await token(tenant)),
    stop: async () => {
      await worker.stop()
      await api.stop()
      await Promise.all([openai.close(), anthropic.close(), stores.stop()])
      rmSync(workspaceRoot, { recursive: true, force: true })
    },
  }
}
