import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LlmConfig } from '../../../services/runtime/llm-config.ts'
import { Client, token, type Stores } from '../../../test/services/support/api.ts'
import { until } from '../../../test/services/support/until.ts'
import { startWorker } from '../../../test/services/support/worker.ts'
import { startApiProcess } from './api-process.ts'

/** An API and a worker with the real engine. */
export interface Service {
  readonly client: Client
  /** Waits for a warm engine: the one behind the last turn is gone, the next is warm when the worker is idle. */
  ready(): Promise<void>
  stop(): Promise<void>
}

/** Starts both as processes of their own. */
export async function startService(stores: Stores, llm: LlmConfig): Promise<Service> {
  const file = join(mkdtempSync(join(tmpdir(), 'opencode-bench-')), 'llm.json')
  writeFileSync(file, JSON.stringify(llm))
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'opencode-bench-workspace-'))
  const api = await startApiProcess(stores, { LLM_CONFIG: file, WORKSPACE_ROOT: workspaceRoot })
  const worker = await startWorker({
    redisURL: stores.redis.url,
    apiURL: api.url,
    workspaceRoot,
    env: { LLM_CONFIG: file, LOG_LEVEL: 'warn', ENGINE_REHEARSAL: 'on' },
  })
  const client = new Client(api.url, await token('bench'))
  return {
    client,
    ready: () => until(() => worker.isIdle(), 60_000, 'a warm engine'),
    stop: async () => {
      await worker.stop()
      await api.stop()
    },
  }
}
