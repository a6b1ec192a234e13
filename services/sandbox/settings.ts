import { join } from 'node:path'

/** What the engine runs commands with: bash, whose end is a command's end whatever the command leaves running. */
export const shell = join(import.meta.dirname, 'shell/bash')

/** An address that a sandbox must not reach. */
export interface Target {
  host: string
  port: number
}

/** Where the engine lives and what it may use. Nothing here is a secret. */
export interface EngineSettings {
  /** `OPENCODE_BINARY`: path of the `opencode` binary. @default /usr/local/bin/opencode */
  binary: string
  /** `ENGINE_PORT`: port of the engine on 127.0.0.1. @default 4096 */
  enginePort: number
  /** `ENGINE_HOME`: home directory of the engine. @default /home/opencode */
  home: string
  /** `ENGINE_TMP`: scratch directory. @default /tmp */
  tmp: string
  /** `WORKSPACE_ROOT`: root of the sessions' directories. @default /workspace */
  workspaceRoot: string
  /** `ENGINE_MEMORY_MAX_BYTES`: resident memory past which the engine is ended, bytes. @default 3 GiB */
  memoryMaxBytes: number
  /** `ENGINE_START_TIMEOUT_MS`: time the engine has to answer after its start, ms. @default 60_000 */
  startTimeout: number
  /** `ENGINE_CHECK_INTERVAL_MS`: time between two checks of a running engine, and for the answer to one, ms. @default 2_000 */
  checkInterval: number
}

/** What a sandbox is told by its environment. It holds no secret and knows no address of ours to dial. */
export interface SandboxSettings extends EngineSettings {
  /** `POD_UID`: names this sandbox in tickets. */
  podUID: string
  /** `TICKET_PUBLIC_KEY`: checks tickets; PEM, SPKI, Ed25519. */
  ticketPublicKey: string
  /** `PORT`: where the worker dials. @default 7070 */
  port: number
  /** `HEALTH_PORT`: `/live`, `/ready`. @default 8081 */
  healthPort: number
  /** `RELAY_PORT`: where the engine's model calls go, on 127.0.0.1. @default 4098 */
  relayPort: number
  /** `LLM_CONFIG`: path of the provider file, for the configuration that an engine waits with; absent for the scripted model. */
  llmConfig: string | undefined
  /** `ENGINE_REHEARSAL`: whether a new engine runs a turn of nobody first; not with `off`. @default true */
  rehearsal: boolean
  /**
   * Addresses that must be out of reach before the sandbox is ready: the API server (`KUBERNETES_SERVICE_HOST` and `_PORT`) and each
   * of `FORBIDDEN_TARGETS`, `host:port` separated by commas.
   */
  forbidden: Target[]
}

/** Reads {@link SandboxSettings}. @throws Error naming the variable that is missing or wrong. */
export function sandboxSettings(env: NodeJS.ProcessEnv): SandboxSettings {
  return {
    ...engineSettings(env),
    podUID: required(env, 'POD_UID', "the pod's metadata.uid"),
    ticketPublicKey: required(env, 'TICKET_PUBLIC_KEY', "the API's public key, PEM"),
    port: number(env, 'PORT', 7070),
    healthPort: number(env, 'HEALTH_PORT', 8081),
    relayPort: number(env, 'RELAY_PORT', 4098),
    llmConfig: env['LLM_CONFIG'] === '' ? undefined : env['LLM_CONFIG'],
    rehearsal: env['ENGINE_REHEARSAL'] !== 'off',
    forbidden: forbiddenTargets(env),
  }
}

/** Reads {@link EngineSettings}. @throws Error naming the variable that is not a number. */
export function engineSettings(env: NodeJS.ProcessEnv): EngineSettings {
  return {
    binary: env['OPENCODE_BINARY'] ?? '/usr/local/bin/opencode',
    enginePort: number(env, 'ENGINE_PORT', 4096),
    home: env['ENGINE_HOME'] ?? '/home/opencode',
    tmp: env['ENGINE_TMP'] ?? '/tmp',
    workspaceRoot: env['WORKSPACE_ROOT'] ?? '/workspace',
    memoryMaxBytes: number(env, 'ENGINE_MEMORY_MAX_BYTES', 3 * 2 ** 30),
    startTimeout: number(env, 'ENGINE_START_TIMEOUT_MS', 60_000),
    checkInterval: number(env, 'ENGINE_CHECK_INTERVAL_MS', 2_000),
  }
}

/**
 * The whole environment of the engine and so of every tool a model runs: built from nothing, so that whatever the
 * container was given does not reach it.
 * @param config - The engine's configuration. It names no key: model calls go back to the worker, which adds the turn's token.
 * @param password - Guards the engine's own port against a stray process; a tool can read it and gains nothing by it.
 */
export function engineEnvironment(
  settings: EngineSettings,
  config: object,
  password: string,
  run: string,
): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: settings.home,
    TMPDIR: settings.tmp,
    USER: 'opencode',
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    GIT_TERMINAL_PROMPT: '0',
    OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
    OPENCODE_SERVER_PASSWORD: password,
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    // Marks every process of this run, so that the sweep finds them where it cannot end a whole PID namespace.
    OPENCODE_ENGINE_RUN: run,
  }
}

function forbiddenTargets(env: NodeJS.ProcessEnv): Target[] {
  const listed = (env['FORBIDDEN_TARGETS'] ?? '').split(',').filter((text) => text !== '')
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host !== undefined && host !== '')
    listed.unshift(`${host.includes(':') ? `[${host}]` : host}:${port}`)
  return listed.map((text) => {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d+)$/.exec(text.trim())
    if (match === null)
      throw new Error(`FORBIDDEN_TARGETS must hold host:port, separated by commas, not "${text}"`)
    return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) }
  })
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
