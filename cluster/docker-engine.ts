import { spawn } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { UserError } from '../scripts/lib/user-error.ts'
import type { Host } from './host.ts'
import { machineDir, tool } from './paths.ts'
import { poll } from './poll.ts'

const quiet = $({ quiet: true, nothrow: true })
const log = join(machineDir, 'dockerd.log')
const pidFile = join(machineDir, 'dockerd.pid')

/** Version of the running Docker daemon, or undefined where none answers. */
export async function dockerVersion(): Promise<string | undefined> {
  if ((await quiet`which docker`).exitCode !== 0) return undefined
  const result = await quiet`timeout 10 docker version --format ${'{{.Server.Version}}'}`
  return result.exitCode === 0 ? result.stdout.trim() : undefined
}

/**
 * Makes sure that a Docker daemon answers: uses a running one, starts the service where systemd runs, starts the daemon in
 * the background where nothing does. A daemon started here outlives the process; the next run finds it by its socket.
 * @throws UserError when no daemon can be started, with the reason or the remedy.
 */
export async function ensureDocker(host: Host, line: (text: string) => void): Promise<void> {
  const running = await dockerVersion()
  if (running) {
    const problem = runtimeProblem(
      host,
      (await quiet`docker info --format ${'{{.DefaultRuntime}}'}`).stdout.trim(),
    )
    if (problem !== undefined) throw new UserError(problem)
    return line(`Docker ${running} is running`)
  }
  if (!host.root)
    throw new UserError(
      'the Docker daemon does not answer. Start it, and add yourself to the group "docker".',
    )
  if (host.systemd) {
    await $({ quiet: true })`systemctl start docker`
  } else {
    line(`no init system here: starting dockerd in the background, log in ${log}`)
    startDaemon(host)
  }
  await poll('the Docker daemon', 60, async () => (await dockerVersion()) !== undefined).catch(
    () => {
      const tail = existsSync(log)
        ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5).join('\n  ')
        : 'no log'
      throw new UserError(
        `the Docker daemon did not start within 60 s. The end of ${log}:\n  ${tail}`,
      )
    },
  )
}

/**
 * Why a running daemon cannot start the nodes' containers, if it cannot: found here, before anything is built for them.
 * @param runtime - Its default runtime.
 */
export function runtimeProblem(
  host: Pick<Host, 'restricted'>,
  runtime: string,
): string | undefined {
  if (!host.restricted || runtime !== 'runc') return undefined
  return (
    'the running Docker daemon has the default runtime "runc", which cannot start containers on this host: root here may not raise limits. ' +
    'Stop the daemon (kill "$(pidof dockerd)") and run "npm run up" again: it starts one with a runtime that can.'
  )
}

/** The daemon's own configuration; a restricted host gets the wrapper as its default runtime. */
export function daemonConfig(
  host: Pick<Host, 'restricted'>,
  wrapper: string,
): Record<string, unknown> {
  const runtimes = { runtimes: { restricted: { path: wrapper } }, 'default-runtime': 'restricted' }
  return {
    pidfile: pidFile,
    // A negative score cannot be set without CAP_SYS_RESOURCE.
    'oom-score-adjust': 0,
    'log-opts': { 'max-size': '10m' },
    ...(host.restricted ? runtimes : {}),
  }
}

/** The program name of a process, or undefined where it is gone or only its exit code is left of it. */
function processName(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return /^State:\s+[ZX]/m.test(status) ? undefined : /^Name:\s+(\S+)/m.exec(status)?.[1]
  } catch {
    return undefined
  }
}

/**
 * Takes away what a daemon that died with the machine left: a pid file whose number may belong to another process by now
 * makes dockerd and its containerd refuse to start.
 */
function clearStale(file: string, name: string): void {
  if (!existsSync(file)) return
  if (processName(Number(readFileSync(file, 'utf8'))) !== name) rmSync(file)
}

function startDaemon(host: Host): void {
  mkdirSync(machineDir, { recursive: true })
  // /lib/modules must exist, even empty: kind mounts it into its nodes.
  mkdirSync('/lib/modules', { recursive: true })
  const wrapper = join(machineDir, 'restricted-runtime')
  if (host.restricted) copyFileSync(tool('restricted-runtime'), wrapper)
  const config = join(machineDir, 'daemon.json')
  writeFileSync(config, JSON.stringify(daemonConfig(host, wrapper), null, 2))
  clearStale(pidFile, 'dockerd')
  clearStale('/run/docker.pid', 'dockerd')
  clearStale('/run/docker/containerd/containerd.pid', 'containerd')
  const output = openSync(log, 'a')
  const daemon = spawn('dockerd', ['--config-file', config], {
    detached: true,
    stdio: ['ignore', output, output],
  })
  // The wait for its socket reports a daemon that never came; without a listener the event would end this process.
  daemon.on('error', (error) => {
    appendFileSync(log, `cannot start dockerd: ${error.message}\n`)
  })
  daemon.unref()
}

/** Stops the daemon that {@link ensureDocker} started; one that something else started is left alone. */
export async function stopOwnDaemon(): Promise<void> {
  if (!existsSync(pidFile)) return
  const pid = Number(readFileSync(pidFile, 'utf8'))
  if (processName(pid) !== 'dockerd') return
  process.kill(pid)
  await poll('the end of the Docker daemon', 60, () =>
    Promise.resolve(processName(pid) === undefined),
  )
}
