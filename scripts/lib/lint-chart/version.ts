import { $ } from 'zx'
import { parse } from 'yaml'

/** What git knows of a chart at the target branch. */
export interface Base {
  /** Its version there; undefined where the chart is new. */
  readonly version: string | undefined
  /** Whether anything below the chart differs. */
  readonly changed: boolean
}

/** The chart at the point where this branch left the target; undefined where there is no such branch, as in a fresh copy. */
export async function targetVersion(
  root: string,
  chart: string,
  target: string,
): Promise<Base | undefined> {
  const git = $({ cwd: root, quiet: true, nothrow: true })
  const base = await git`git merge-base HEAD ${target}`
  if (base.exitCode !== 0) return undefined
  const commit = base.stdout.trim()
  const file = await git`git show ${`${commit}:${chart}/Chart.yaml`}`
  const version =
    file.exitCode === 0 ? (parse(file.stdout) as { version: string }).version : undefined
  const changed = (await git`git diff --quiet ${commit} -- ${chart}`).exitCode !== 0
  return { version, changed }
}

/** Whether a semantic version is higher than another: numbers first, and a release after its pre-releases. */
export function isHigher(version: string, than: string): boolean {
  const [numbers, pre] = split(version)
  const [otherNumbers, otherPre] = split(than)
  for (const [index, number] of numbers.entries()) {
    const other = otherNumbers[index] ?? 0
    if (number !== other) return number > other
  }
  if (pre === otherPre) return false
  if (pre === '' || otherPre === '') return pre === ''
  return pre.localeCompare(otherPre, 'en', { numeric: true }) > 0
}

function split(version: string): [numbers: number[], pre: string] {
  const [core = '', ...pre] = version.replace(/^v|\+.*$/g, '').split('-')
  return [core.split('.').map(Number), pre.join('-')]
}
