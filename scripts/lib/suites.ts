import { readdirSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from './user-error.ts'

/** One folder of tests with a vitest configuration of its own. */
export interface Suite {
  /** Folder name below `test/`. */
  readonly name: string
  /** Path of its vitest configuration. */
  readonly config: string
}

/** The order in which suites run: what fails in seconds first, what needs a cluster last. */
const order = [
  'schemas',
  'chart',
  'tooling',
  'cluster-tooling',
  'argocd',
  'images',
  'network-policy-rules',
  'edge',
  'edge-e2e',
  'drills',
  'services',
  'network-policy',
  'cluster',
  'recovery',
]

/** Suites that need servers, containers or a cluster: left out of the inner loop. */
const slow = new Set(['services', 'edge-e2e', 'network-policy', 'cluster', 'recovery'])

/** Suites that use the one test cluster, which each of them makes where it is missing. */
const onCluster = new Set(['network-policy', 'cluster', 'recovery'])

/** Whether a later suite goes on with the cluster that this one leaves. */
export function leavesCluster(suites: readonly Suite[], suite: Suite): boolean {
  return (
    onCluster.has(suite.name) &&
    suites.slice(suites.indexOf(suite) + 1).some(({ name }) => onCluster.has(name))
  )
}

/** All suites below `test/`, in running order. A folder that {@link order} does not know runs before the first cluster suite. */
export function findSuites(root: string): Suite[] {
  const unknown = order.indexOf('network-policy') - 0.5
  const rank = (name: string): number => {
    const index = order.indexOf(name)
    return index === -1 ? unknown : index
  }
  return readdirSync(join(root, 'test'))
    .filter((name) => existsSync(join(root, 'test', name, 'vitest.config.ts')))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((name) => ({ name, config: join('test', name, 'vitest.config.ts') }))
}

/** Picks suites by the command line: all, the fast ones (`--unit`), or those named. */
export function selectSuites(suites: Suite[], args: readonly string[]): Suite[] {
  const names = args.filter((argument) => !argument.startsWith('--'))
  const known = suites.map((suite) => suite.name).join(', ')
  for (const argument of args) {
    if (argument.startsWith('--') && argument !== '--unit')
      throw new UserError(`unknown option "${argument}". Known: --unit.`)
  }
  for (const name of names) {
    if (!suites.some((suite) => suite.name === name))
      throw new UserError(`no test suite named "${name}". Known: ${known}.`)
  }
  if (names.length > 0) return suites.filter((suite) => names.includes(suite.name))
  return args.includes('--unit') ? suites.filter((suite) => !slow.has(suite.name)) : suites
}
