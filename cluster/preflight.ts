import { readFileSync, statfsSync } from 'node:fs'
import { connect } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { $ } from 'zx'
import type { Host } from './host.ts'
import { root } from './paths.ts'

const GiB = 1024 ** 3

/** What {@link checkMachine} judges; {@link readMachine} reads it from the machine. */
export interface Machine {
  readonly platform: string
  readonly architecture: string
  readonly root: boolean
  /** The user may talk to Docker's socket without being root. */
  readonly dockerGroup: boolean
  /** Bytes free where the repository and Docker's data lie. */
  readonly diskFree: number
  /** Bytes of memory not in use. */
  readonly memoryAvailable: number
  readonly memoryTotal: number
  readonly processors: number
  /** Ports of 127.0.0.1 that are needed and taken by something else. */
  readonly takenPorts: readonly number[]
  /** A cluster of that name runs already: its own memory and ports are no obstacle. */
  readonly clusterRuns: boolean
}

/** Memory that one cluster with the service on it uses, measured: 3 GiB idle and one turn running. */
const memoryNeeded = 5 * GiB

/**
 * Disk that a cold run needs. Where everything is built `npm run up` wrote 13.8 GiB, measured; the operators of
 * production take the rest.
 */
const diskNeeded = { offline: 18 * GiB, online: 10 * GiB }

/** Every reason why a cluster cannot be made on this machine, each with its remedy; empty when there is none. */
export function checkMachine(machine: Machine, offline: boolean): string[] {
  const problems: string[] = []
  const size = (bytes: number): string => `${(bytes / GiB).toFixed(1)} GiB`
  if (machine.platform !== 'linux' || machine.architecture !== 'x64') {
    problems.push(
      `${machine.platform}/${machine.architecture} is not supported: use a Linux machine with an x86-64 processor.`,
    )
  }
  if (!machine.root && !machine.dockerGroup) {
    problems.push(
      'you are neither root nor in the group "docker": run "sudo usermod -aG docker $USER" and log in again, or run this as root.',
    )
  }
  if (offline && !machine.root) {
    problems.push(
      'no container registry is in reach, so images are built from Debian packages, which needs root: run this as root.',
    )
  }
  if (machine.clusterRuns) return problems
  const disk = offline ? diskNeeded.offline : diskNeeded.online
  if (machine.diskFree < disk) {
    problems.push(
      `${size(machine.diskFree)} of disk are free and ${size(disk)} are needed: "docker system prune" and "go clean -cache" free some.`,
    )
  }
  if (machine.memoryAvailable < memoryNeeded) {
    problems.push(
      `${size(machine.memoryAvailable)} of memory are free and ${size(memoryNeeded)} are needed: stop other programs or clusters.`,
    )
  }
  if (machine.processors < 2)
    problems.push('one processor is not enough for Kubernetes: use a machine with two or more.')
  for (const port of machine.takenPorts) {
    problems.push(
      `port ${port} of 127.0.0.1 is taken: stop what listens there ("ss -ltnp sport = :${port}"), or choose another with --port.`,
    )
  }
  return problems
}

/** Reads what {@link checkMachine} needs. `ports` are those that a new cluster would listen on. */
export async function readMachine(
  host: Host,
  ports: readonly number[],
  clusterRuns: boolean,
): Promise<Machine> {
  const disk = statfsSync(root)
  const taken = await Promise.all(
    ports.map(async (port) => ((await isListening(port)) ? [port] : [])),
  )
  return {
    platform: process.platform,
    architecture: process.arch,
    root: host.root,
    dockerGroup:
      host.root ||
      (await $({ quiet: true, nothrow: true })`id -nG`).stdout.split(/\s+/).includes('docker'),
    diskFree: disk.bavail * disk.bsize,
    memoryAvailable: availableMemory(),
    memoryTotal: totalmem(),
    processors: availableParallelism(),
    takenPorts: taken.flat(),
    clusterRuns,
  }
}

function availableMemory(): number {
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return Number(kib ?? 0) * 1024
}

/** Whether something accepts connections on a port of 127.0.0.1. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
