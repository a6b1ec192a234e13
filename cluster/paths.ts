import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where built tools lie: `.tools/bin/<name>`. */
export const toolsBin = join(root, '.tools', 'bin')

/** Files that can be made again at a cost: root file systems, archives, wheels. */
export const cacheDir = join(root, '.cache', 'cluster')

/** What `up` remembers between runs, one folder a cluster. */
export const stateDir = join(root, '.state')

/** Things of the machine, not of one clone: the Docker daemon's configuration, log and pid file. */
export const machineDir = '/var/lib/opencode-cluster'

/** Absolute path of a built tool. */
export function tool(name: string): string {
  return join(toolsBin, name)
}
