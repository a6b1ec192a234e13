import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { UserError } from '../scripts/lib/user-error.ts'
import { buildProgramImage, imageExists } from './docker-image.ts'
import { cacheDir, tool } from './paths.ts'
import { poll } from './poll.ts'
import { versions } from './versions.ts'

/** The registry that every cluster's nodes pull from: one container for all clusters of the machine. */
export const registry = {
  container: 'opencode-registry',
  /** Where the host pushes to. Docker accepts plain HTTP on loopback addresses. */
  host: '127.0.0.1:5001',
  /** Where the nodes pull from, by the name that Docker's DNS knows on kind's network. */
  inCluster: 'opencode-registry:5000',
  image: `opencode-test/registry:${versions.distribution}`,
} as const

const volume = 'opencode-registry'
const quiet = $({ quiet: true })
const tolerant = $({ quiet: true, nothrow: true })

const configuration = `version: 0.1
log:
  level: warn
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
`

/**
 * Makes sure that the registry container answers: starts it where it is missing or stopped. Its content lies in a volume
 * and survives it.
 */
export async function ensureRegistry(line: (text: string) => void): Promise<void> {
  if (!(await imageExists(registry.image))) {
    await buildProgramImage(registry.image, { program: 'registry', file: tool('registry') })
  }
  const state =
    await tolerant`docker inspect --format ${'{{.State.Running}}'} ${registry.container}`
  if (state.exitCode !== 0) await run()
  else if (state.stdout.trim() !== 'true') await quiet`docker start ${registry.container}`
  await poll('the local registry', 30, async () => (await fetch(`http://${registry.host}/v2/`)).ok)
  line(`local registry on ${registry.host}`)
}

async function run(): Promise<void> {
  mkdirSync(cacheDir, { recursive: true })
  const config = join(cacheDir, 'registry.yml')
  writeFileSync(config, configuration)
  const options = [
    '--name',
    registry.container,
    '--restart=on-failure:1',
    '--publish',
    `${registry.host}:5000`,
  ]
  await quiet`docker create ${options} --volume ${`${volume}:/var/lib/registry`} ${registry.image} serve /registry.yml`
  // Copied, not mounted: the container must not depend on a clone's folder.
  await quiet`docker cp ${config} ${`${registry.container}:/registry.yml`}`
  const started = await tolerant`docker start ${registry.container}`
  if (started.exitCode !== 0) {
    await quiet`docker rm --force ${registry.container}`
    throw new UserError(
      `the local registry did not start on ${registry.host}: ${started.stderr.trim()}. Free that port and run this again.`,
    )
  }
}

/** Connects the registry to kind's network, so that nodes find it by name. */
export async function connectRegistry(): Promise<void> {
  const networks =
    await quiet`docker inspect --format ${'{{json .NetworkSettings.Networks}}'} ${registry.container}`
  if ('kind' in (JSON.parse(networks.stdout) as Record<string, unknown>)) return
  await quiet`docker network connect kind ${registry.container}`
}

/** Removes the container; with `content` its volume too. */
export async function removeRegistry(content: boolean): Promise<void> {
  await tolerant`docker rm --force --volumes ${registry.container}`
  if (content) await tolerant`docker volume rm ${volume}`
}

/** Containerd's host configuration: the local registry first for every image, its own registry as what follows. */
export function mirrorConfig(): string {
  return `[host."http://${registry.inCluster}"]\n  capabilities = ["pull", "resolve"]\n`
}

/** An image's name in the local registry: the same path and tag without the original registry's host. */
export function localRef(ref: string, host: string = registry.host): string {
  return `${host}/${ref.replace(/^[^/]+\.[^/]+\//, '')}`
}
