import { setTimeout as sleep } from 'node:timers/promises'
import type { BeginAnswer } from '../protocol/sandbox.ts'
import { SandboxConnection } from './connection.ts'
import { SandboxLost } from './errors.ts'
import { Sandbox } from './sandbox.ts'
import type { Claim, SandboxGrant, TurnApi } from './turn-api.ts'

/** A sandbox that has taken this turn's ticket. */
export interface OpenSandbox {
  uid: string
  connection: SandboxConnection
  sandbox: Sandbox
  /** Where it stood. */
  begun: BeginAnswer
  /** Whether this turn has been asked there already: its worker was lost, or has handed it over. */
  isTakenOver: boolean
}

/** What {@link openSandbox} works with. */
export interface OpenTools {
  api: TurnApi
  sandboxSilence: number
  onLost(reason: string): void
  log(message: string, fields?: object): void
}

/** First pause between two questions for a sandbox, ms; it doubles. */
const PAUSE = 100
const MAX_PAUSE = 2_000
/** Sandboxes that may turn out to be of no use, before anything was asked there. */
const ATTEMPTS = 5

/**
 * The session's sandbox, or a new one where it has none or its own is of no use any more.
 * @param onGrant - Is told which one the turn has.
 * @throws SandboxLost where the turn had been asked there already, or one after the other is of no use.
 */
export async function openSandbox(
  tools: OpenTools,
  turn: Claim['turn'],
  config: object,
  signal: AbortSignal,
  onGrant: (uid: string) => void,
): Promise<OpenSandbox> {
  const { api, log, onLost } = tools
  for (let attempt = 1; ; attempt++) {
    const grant = await granted(api, log, signal)
    onGrant(grant.uid)
    try {
      return await opened(tools, grant, turn, config)
    } catch (error) {
      const isEarly =
        error instanceof SandboxLost && ['unreached', 'unusable'].includes(error.reason)
      if (!isEarly || attempt >= ATTEMPTS) throw error
      log('a sandbox is of no use', { reason: error.reason, error: error.message })
      onLost(error.reason)
      await api.endSandbox(grant.uid, error.reason)
    }
  }
}

async function granted(
  api: TurnApi,
  log: OpenTools['log'],
  signal: AbortSignal,
): Promise<SandboxGrant> {
  for (let pause = PAUSE; ; pause = Math.min(2 * pause, MAX_PAUSE)) {
    signal.throwIfAborted()
    const grant = await api.sandbox()
    if (grant !== undefined) {
      signal.throwIfAborted()
      return grant
    }
    if (pause === PAUSE) log('waiting for a sandbox')
    await sleep(pause, undefined, { signal }).catch(() => undefined)
  }
}

async function opened(
  { sandboxSilence }: OpenTools,
  { uid, address, ticket }: SandboxGrant,
  turn: Claim['turn'],
  config: object,
): Promise<OpenSandbox> {
  const connection = await SandboxConnection.dial(address, sandboxSilence)
  try {
    const sandbox = new Sandbox(connection)
    const begun = await sandbox.begin(ticket, config)
    const isHere = begun.turnID === turn.id
    const { state, failure } = begun.engine
    if (state !== 'ready') {
      const reason = isHere ? (failure ?? 'crash') : 'unusable'
      throw new SandboxLost(reason, `the sandbox's engine is ${state}`)
    }
    // Another turn's work would become this one's; a fork that was cut off is begun anew, as the log forgets it too.
    if ((begun.isAsking && !isHere) || (isHere && turn.request.path.endsWith('/fork')))
      throw new SandboxLost('unusable', 'the sandbox is in the middle of something else')
    return { uid, connection, sandbox, begun, isTakenOver: isHere && begun.isRestored }
  } catch (error) {
    connection.close()
    throw error
  }
}
