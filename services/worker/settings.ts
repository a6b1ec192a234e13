import { hostname } from 'node:os'
import { turnAttempts } from '../runtime/turn-attempts.ts'

/** What a worker is told by its environment. `REDIS_URL` is the only secret it has. */
export interface WorkerSettings {
  /** `WORKER_NAME`: names this worker in claims. @default the host name */
  name: string
  redisURL: string
  redisMode: 'single' | 'cluster'
  apiURL: string
  region: string
  /** `METRICS_PORT`: health (`/health/live`, `/health/ready`) and `/metrics`. @default 9090 */
  metricsPort: number
  /** `LLM_CONFIG`: path of the provider file; absent for the scripted model. */
  llmConfig: string | undefined
  /** `TURNS_PER_POD`: turns that are under way at once. @default 20 */
  turns: number
  /** `DRAIN_SECONDS`: time running turns have after SIGTERM before they are handed over. @default 120 */
  drainSeconds: number
  /** `TURN_MAX_ATTEMPTS`: attempts that may fail before the turn is given up. @default turnAttempts.failures */
  maxAttempts: number
  /** `SANDBOX_SILENCE_SECONDS`: a sandbox that answers nothing for this long is lost. @default 10 */
  sandboxSilenceSeconds: number
}

/** Reads {@link WorkerSettings}. @throws Error naming the variable that is missing or wrong. */
export function workerSettings(env: NodeJS.ProcessEnv): WorkerSettings {
  const mode = env['REDIS_MODE'] ?? 'single'
  if (mode !== 'single' && mode !== 'cluster')
    throw new Error(`REDIS_MODE must be single or cluster, not "${mode}"`)
  return {
    name: env['WORKER_NAME'] ?? hostname(),
    redisURL: required(env, 'REDIS_URL', 'redis://[:password@]host:6379'),
    redisMode: mode,
    apiURL: required(env, 'API_URL', 'the base URL of the API inside the cluster'),
    region: env['REGION'] ?? 'local',
    metricsPort: number(env, 'METRICS_PORT', 9090),
    llmConfig: env['LLM_CONFIG'],
    turns: number(env, 'TURNS_PER_POD', 20, 1),
    drainSeconds: number(env, 'DRAIN_SECONDS', 120),
    maxAttempts: number(env, 'TURN_MAX_ATTEMPTS', turnAttempts.failures, 1),
    sandboxSilenceSeconds: number(env, 'SANDBOX_SILENCE_SECONDS', 10, 1),
  }
}

function required(env: NodeJS.ProcessEnv, name: string, meaning: string): string {
  const value = env[name]
  if (value === undefined || value === '')
    throw new Error(`${name} is not set; it holds ${meaning}`)
  return value
}

function number(env: NodeJS.ProcessEnv, name: string, fallback: number, least = 0): number {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`${name} must be a whole number from ${least.toString()}, not "${text}"`)
  return value
}
