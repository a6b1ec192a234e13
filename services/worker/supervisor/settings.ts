import { hostname } from 'node:os'
import { turnAttempts } from '../../runtime/turn-attempts.ts'

/** What the supervisor is told by its environment. `REDIS_URL` is the only secret it has. */
export interface WorkerSettings {
  /** Names this worker in claims. @default the host name */
  name: string
  redisURL: string
  redisMode: 'single' | 'cluster'
  apiURL: string
  region: string
  /** Health and metrics. @default 9090 */
  metricsPort: number
  /** The relay, on loopback. @default 4098 */
  relayPort: number
  /** The engine's control API. @default http://127.0.0.1:4097 */
  controlURL: string
  /** The engine. @default http://127.0.0.1:4096 */
  engineURL: string
  /** Path of the provider file; empty for the scripted model. */
  llmConfig: string | undefined
  /** Time a running turn has after SIGTERM before it is handed over, seconds. @default 120 */
  drainSeconds: number
  /** Attempts that may fail before the turn is given up. @default turnAttempts.failures */
  maxAttempts: number
  /** Whether a new engine runs a turn of nobody first, so that the next starts faster; not with `ENGINE_REHEARSAL=off`. @default true */
  rehearsal: boolean
}

/** Reads {@link WorkerSettings}. @throws Error naming the variable that is missing or wrong. */
export function workerSettings(env: NodeJS.ProcessEnv): WorkerSettings {
  const mode = env['REDIS_MODE'] ?? 'single'
  if (mode !== 'single' && mode !== 'cluster')
    throw new Error(`REDIS_MODE must be single or cluster, not "${mode}"`)
  const port = number(env, 'ENGINE_PORT', 4096)
  const controlPort = number(env, 'ENGINE_CONTROL_PORT', 4097)
  return {
    name: env['WORKER_NAME'] ?? hostname(),
    redisURL: required(env, 'REDIS_URL', 'redis://[:password@]host:6379'),
    redisMode: mode,
    apiURL: required(env, 'API_URL', 'the base URL of the API inside the cluster'),
    region: env['REGION'] ?? 'local',
    metricsPort: number(env, 'METRICS_PORT', 9090),
    relayPort: number(env, 'RELAY_PORT', 4098),
    controlURL: `http://127.0.0.1:${controlPort.toString()}`,
    engineURL: `http://127.0.0.1:${port.toString()}`,
    llmConfig: env['LLM_CONFIG'],
    drainSeconds: number(env, 'DRAIN_SECONDS', 120),
    maxAttempts: number(env, 'TURN_MAX_ATTEMPTS', turnAttempts.failures),
    rehearsal: env['ENGINE_REHEARSAL'] !== 'off',
  }
}

function required(env: NodeJS.ProcessEnv, name: string, meaning: string): string {
  const value = env[name]
  if (value === undefined || value === '')
    throw new Error(`${name} is not set; it holds ${meaning}`)
  return value
}

function number(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`${name} must be a whole number, not "${text}"`)
  return value
}
