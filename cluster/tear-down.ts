import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { UserError } from '../scripts/lib/user-error.ts'
import { dockerVersion, stopOwnDaemon } from './docker-engine.ts'
import { clusterNodes, deleteCluster, listClusters } from './kind-cluster.ts'
import { cacheDir, stateDir, tool } from './paths.ts'
import type { Progress } from './progress.ts'
import { removeRegistry } from './registry.ts'

/** Names of the clusters that this clone made, from its state folder. */
export function knownClusters(): string[] {
  if (!existsSync(stateDir)) return []
  return readdirSync(stateDir).filter((name) => existsSync(join(stateDir, name, 'kind.yaml')))
}

/**
 * Removes exactly what `up` made: the named cluster or every cluster of this clone, and the registry's container when no
 * cluster is left to use it. Built images and caches stay for the next time; `all` removes them too, and stops the Docker
 * daemon where `up` started it.
 */
export async function tearDown(
  options: { name: string | undefined; all: boolean },
  progress: Progress,
): Promise<void> {
  const known = knownClusters()
  const names = options.name === undefined ? known : [options.name]
  if ((await dockerVersion()) === undefined)
    throw new UserError('the Docker daemon does not answer: start it, or nothing can be removed.')
  if (!existsSync(tool('kind')))
    throw new UserError('kind is not built: run "npm run tools" first.')
  for (const name of names) {
    if (!known.includes(name)) {
      const list = known.length === 0 ? 'there is none' : `there is: ${known.join(', ')}`
      throw new UserError(`no cluster "${name}" was made here; ${list}.`)
    }
    await progress.step(`removing cluster ${name}`, async () => {
      if ((await clusterNodes(name)).length > 0) await deleteCluster(name)
      rmSync(join(stateDir, name), { recursive: true, force: true })
    })
  }
  if ((await listClusters()).length === 0) {
    await progress.step('removing the local registry', async () => {
      await removeRegistry(options.all)
      // kind leaves its network; with containers of others on it Docker refuses, rightly.
      await $({ quiet: true, nothrow: true })`docker network rm kind`
    })
  }
  if (options.all) await progress.step('removing images and caches', removeCaches)
}

async function removeCaches(): Promise<void> {
  const quiet = $({ quiet: true, nothrow: true })
  const listed = await quiet`docker images --format ${'{{.Repository}}:{{.Tag}}'}`
  const own = listed.stdout
    .split('\n')
    .filter((ref) => /^(opencode-test|127\.0\.0\.1:5001)\//.test(ref))
  if (own.length > 0) await quiet`docker rmi --force ${own}`
  rmSync(cacheDir, { recursive: true, force: true })
  await stopOwnDaemon()
}
