import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { root, tool } from '../../../cluster/paths.ts'
import { regions } from '../../../values/regions.ts'
import { readValues } from '../read-values.ts'
import { UserError } from '../user-error.ts'

/** What rendering costs, beside a program start that does nothing. */
export interface RenderCost {
  readonly helm: string
  /** Kubernetes objects rendered. */
  readonly objects: number
  /** Median milliseconds of `helm version`. */
  readonly version: number
  /** Median milliseconds of `helm template`. */
  readonly template: number
}

/**
 * The values file that the command line means: a region's name, or a path.
 * @throws {@link UserError} when it is neither, or the file cannot be read
 */
export function valuesFile(argument: string): string {
  if (Object.keys(regions).includes(argument)) return join(root, 'values', `${argument}.yaml`)
  const isPath = /[./]/.test(argument) || existsSync(argument)
  if (!isPath)
    throw new UserError(
      `no region named "${argument}". Known: ${Object.keys(regions).join(', ')}, or the path of a values file.`,
    )
  readValues(argument)
  return argument
}

/** Times both in turn, so that whatever else the machine does meets both alike. */
export async function measure(
  helm: 'helm3' | 'helm4',
  values: string,
  rounds: number,
): Promise<RenderCost> {
  const template = [
    'template',
    'opencode',
    join(root, 'chart'),
    '--namespace',
    'opencode',
    '--kube-version',
    '1.36.0',
    '--values',
    values,
  ]
  const times: { version: number[]; template: number[] } = { version: [], template: [] }
  let objects = 0
  for (let round = 0; round < rounds; round += 1) {
    times.version.push((await run(helm, ['version'])).milliseconds)
    const { milliseconds, output } = await run(helm, template)
    times.template.push(milliseconds)
    objects = output.match(/^kind: /gm)?.length ?? 0
  }
  return { helm, objects, version: median(times.version), template: median(times.template) }
}

async function run(
  helm: string,
  args: string[],
): Promise<{ milliseconds: number; output: string }> {
  const started = performance.now()
  const result = await $({ quiet: true, nothrow: true })`${tool(helm)} ${args}`
  const milliseconds = performance.now() - started
  if (result.exitCode !== 0)
    throw new UserError(`helm ${args[0] ?? ''} failed: ${result.stderr.trim()}`)
  return { milliseconds, output: result.stdout }
}

/** The middle of the values, the mean of both where there are two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return (
    ((sorted[middle] ?? Number.NaN) +
      (sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? Number.NaN)) /
    2
  )
}
