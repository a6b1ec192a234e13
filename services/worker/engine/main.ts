import { accessSync, constants, existsSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { controlApi } from './control.ts'
import { Engine } from './engine.ts'
import { engineSettings, shell } from './environment.ts'
import { ownsNamespaceMark } from './sweep.ts'

/** Adopts and reaps the orphans that tools leave behind, which Node.js as PID 1 would not. */
const INIT = '/usr/bin/tini'

/** `process.execve` is newer than the type definitions of the oldest Node.js the tooling supports. */
type Execve = (file: string, args: string[], env: NodeJS.ProcessEnv) => never

function main(): void {
  const execve = (process as { execve?: Execve }).execve
  if (process.pid === 1 && existsSync(INIT) && execve !== undefined) {
    execve.call(process, INIT, [INIT, '--', process.execPath, ...process.argv.slice(1)], {
      ...process.env,
      ...ownsNamespaceMark,
    })
  }
  const settings = engineSettings(process.env)
  // The engine would silently take another shell.
  accessSync(shell, constants.X_OK)
  const log = (message: string, fields: object = {}) => {
    process.stdout.write(
      `${JSON.stringify({ time: Date.now(), level: 30, name: 'engine', msg: message, ...fields })}\n`,
    )
  }
  const engine = new Engine(settings, log)
  let leaving = false
  const leave = (reason: string) => {
    if (leaving) return
    leaving = true
    log('leaving', { reason })
    void engine.stop().finally(() => process.exit(0))
  }
  const app = controlApi(engine, settings, () => {
    leave('the supervisor asks')
  })
  serve({ fetch: app.fetch, port: settings.controlPort, hostname: '127.0.0.1' }, () => {
    log('the control API listens', { port: settings.controlPort })
  })
  process.on('SIGINT', () => {
    leave('SIGINT')
  })
  // A native sidecar is told to end after the containers that it serves have ended: no turn needs the engine any more.
  // https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
  process.on('SIGTERM', () => {
    leave('SIGTERM')
  })
}

main()
