import { accessSync, constants, existsSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { relayPlaceholder } from '../protocol/sandbox.ts'
import { engineConfig } from '../runtime/engine-config.ts'
import { loadLlmConfig } from '../runtime/llm-config.ts'
import { Agent } from './agent.ts'
import { Engine } from './engine.ts'
import { rehearse } from './rehearsal.ts'
import { Relay } from './relay.ts'
import { sandboxSettings, shell, type SandboxSettings } from './settings.ts'
import { emptyDirectories, ownsNamespaceMark } from './sweep.ts'
import { TicketCheck } from './ticket.ts'
import { reachable } from './walls.ts'

/** Adopts and reaps the orphans that tools leave behind, which Node.js as PID 1 would not. */
const INIT = '/usr/bin/tini'
/** Time between two looks at walls that were found open, ms: a network policy may come after the pod. */
const WALL_INTERVAL = 5_000

/** `process.execve` is newer than the type definitions of the oldest Node.js the tooling supports. */
type Execve = (file: string, args: string[], env: NodeJS.ProcessEnv) => never

function log(message: string, fields: object = {}): void {
  process.stdout.write(
    `${JSON.stringify({ time: Date.now(), level: 30, name: 'sandbox', msg: message, ...fields })}\n`,
  )
}

async function main(): Promise<void> {
  const execve = (process as { execve?: Execve }).execve
  if (process.pid === 1 && existsSync(INIT) && execve !== undefined) {
    execve.call(process, INIT, [INIT, '--', process.execPath, ...process.argv.slice(1)], {
      ...process.env,
      ...ownsNamespaceMark,
    })
  }
  const settings = sandboxSettings(process.env)
  // The engine would silently take another shell.
  accessSync(shell, constants.X_OK)
  const engine = new Engine(settings, log)
  let isReady = false
  const health = createServer((request, response) => {
    const isGood =
      request.url === '/live' ||
      (request.url === '/ready' && isReady && engine.status.state === 'ready')
    response.writeHead(isGood ? 200 : 503).end()
  }).listen(settings.healthPort)
  const leave = (signal: string) => {
    log('leaving', { signal })
    health.close()
    void engine.stop().finally(() => process.exit(0))
  }
  process.on('SIGINT', leave).on('SIGTERM', leave)

  const tickets = new TicketCheck(settings.ticketPublicKey, settings.podUID)
  await tickets.isUsable()
  const relay = new Relay()
  await relay.listen(settings.relayPort)
  const agent = new Agent({ engine, relay, tickets, settings, log })
  // An engine that fails while it waits is nobody's loss: the container is started again.
  engine.onFailure = () => {
    if (!agent.isTaken) process.exit(1)
  }
  const walls = untilWalled(settings)
  // A container that was started again finds what the one before has left.
  const { home, tmp, workspaceRoot, llmConfig } = settings
  await emptyDirectories([home, tmp, workspaceRoot])
  mkdirSync(home, { recursive: true })
  await agent.start(engineConfig(loadLlmConfig(llmConfig), null, relayPlaceholder))
  if (settings.rehearsal) await prepare(engine, agent)
  await agent.listen(settings.port)
  await walls
  isReady = true
  log('ready', { port: settings.port })
}

async function prepare(engine: Engine, agent: Agent): Promise<void> {
  const started = performance.now()
  try {
    await rehearse(engine)
    log('rehearsed', { milliseconds: Math.round(performance.now() - started) })
  } catch (error) {
    log('the engine is used without a rehearsal', { error: String(error) })
  } finally {
    await agent.disregard()
  }
}

/** Resolves when nothing of what must be out of reach can be reached. */
async function untilWalled({ forbidden }: SandboxSettings): Promise<void> {
  for (;;) {
    const open = await reachable(forbidden)
    if (open.length === 0) return
    log('not ready: a network policy must keep the sandbox from these addresses, and does not', {
      open,
    })
    await sleep(WALL_INTERVAL)
  }
}

await main()
