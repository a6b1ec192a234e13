import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LlmConfig } from '../../../services/runtime/llm-config.ts'
import {
  Client,
  startTestApi,
  testSandboxes,
  token,
  type Stores,
} from '../../../test/services/support/api.ts'
import { LocalSandboxes } from '../../../test/services/support/local-sandboxes.ts'
import { startWorker } from '../../../test/services/support/worker.ts'

/** An API, a worker, and sandboxes with the real engine. */
export interface Service {
  readonly client: Client
  /** Waits for a full pool: the next session begins in a warm engine. */
  ready(): Promise<void>
  stop(): Promise<void>
}

/** Starts them; the API is in this process, as it is told here where sandboxes come from. */
export async function startService(stores: Stores, llm: LlmConfig): Promise<Service> {
  const file = join(mkdtempSync(join(tmpdir(), 'opencode-bench-')), 'llm.json')
  writeFileSync(file, JSON.stringify(llm))
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'opencode-bench-workspace-'))
  const env = { LLM_CONFIG: file, LOG_LEVEL: 'warn', ENGINE_REHEARSAL: 'on' }
  const pool = await LocalSandboxes.start({ workspaceRoot, env })
  // Each round is a new session: those that are over must not fill the machine.
  const api = await startTestApi(
    stores,
    { workspaceRoot, sandboxes: { ...testSandboxes, maxAwake: 2 } },
    llm,
    pool,
  )
  const worker = await startWorker({ redisURL: stores.redis.url, apiURL: api.url, env })
  const client = new Client(api.url, await token('bench'))
  return {
    client,
    ready: () => pool.fill(),
    stop: async () => {
      await worker.stop()
      await api.stop()
      await pool.stop()
    },
  }
}
