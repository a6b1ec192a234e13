import { join } from 'node:path'

/** What the engine runs commands with: bash, whose end is a command's end whatever the command leaves running. */
export const shell = join(import.meta.dirname, 'shell/bash')

/** Where the engine lives and what it may use. Everything comes from the environment; nothing here is a secret. */
export interface EngineSettings {
  /** Path of the `opencode` binary. @default /usr/local/bin/opencode */
  binary: string
  /** Port of the engine on 127.0.0.1. @default 4096 */
  port: number
  /** Port of the control API on 127.0.0.1. @default 4097 */
  controlPort: number
  /** Home directory of the engine; emptied after every turn. @default /home/opencode */
  home: string
  /** Scratch directory; emptied after every turn. @default /tmp */
  tmp: string
  /** Root of the sessions' directories; emptied after every turn. @default /workspace */
  workspaceRoot: string
  /** Resident memory past which the engine is ended, bytes. @default 3 GiB */
  memoryMaxBytes: number
  /** Time the engine has to answer after its start, ms. @default 60_000 */
  startTimeout: number
  /** Time between two checks of a running engine, and for the answer to one, ms. @default 2_000 */
  checkInterval: number
}

/** Reads {@link EngineSettings}. @throws Error naming the variable that is not a number. */
export function engineSettings(env: NodeJS.ProcessEnv): EngineSettings {
  return {
    binary: env['OPENCODE_BINARY'] ?? '/usr/local/bin/opencode',
    port: number(env, 'ENGINE_PORT', 4096),
    controlPort: number(env, 'ENGINE_CONTROL_PORT', 4097),
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
 * container was given (service addresses, tokens, keys) does not reach it.
 * @param config - The engine's configuration. It names no key: model calls go through the relay, which adds the turn's token.
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

function number(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`${name} must be a whole number, not "${text}"`)
  return value
}
