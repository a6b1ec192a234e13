import { join } from 'node:path'
import { root } from '../../../cluster/paths.ts'
import { parseUpOptions } from '../../../cluster/options.ts'
import type { Release } from '../../../cluster/release.ts'

/** The suite's own cluster, beside the one that `npm run up` makes. */
export const options = parseUpOptions(['--name', 'opencode-test', '--port', '8090'])

/** Address of its gateway. */
export const url = `http://127.0.0.1:${options.port}`

/** The release that most tests look at. */
export const release: Release = {
  cluster: options.name,
  name: 'opencode',
  namespace: 'opencode',
  helm: 'helm3',
}

/** Values for two cores. */
export const kindValues = join(root, 'values', 'kind.yaml')
