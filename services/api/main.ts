import { apiConfig } from '../runtime/config.ts'
import { databaseConfigFromEnv } from '../runtime/database/index.ts'
import { loadLlmConfig } from '../runtime/llm-config.ts'
import { createLogger } from '../runtime/logger.ts'
import { onShutdown } from '../runtime/shutdown.ts'
import { startTracing } from '../runtime/tracing.ts'
import { startApi } from './server.ts'

const logger = createLogger('api')
try {
  const config = apiConfig()
  const stopTracing = startTracing('opencode-api')
  const api = await startApi({
    config,
    database: databaseConfigFromEnv(),
    llm: loadLlmConfig(config.llmConfig),
    logger,
  })
  onShutdown({
    drainSeconds: config.drainSeconds,
    logger,
    drain: async (deadline) => {
      await api.drain(deadline)
      await stopTracing()
    },
  })
} catch (error) {
  logger.fatal(
    { error: error instanceof Error ? error.message : String(error) },
    'the API could not start',
  )
  process.exit(1)
}
