import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { $ } from 'zx'
import { parse } from 'yaml'
import { tool } from '../../../cluster/paths.ts'
import type { ChartTesting } from './config.ts'
import { isHigher, targetVersion } from './version.ts'

/** Where things are, and who is told what is going on. */
export interface LintContext {
  readonly root: string
  /** Folder with yamllint and yamale. */
  readonly python: string
  readonly report: (line: string) => void
}

/** What `ct lint` would say against a chart, in the words of the programs that it calls; empty where it would pass. */
export async function lintChart(
  chart: string,
  config: ChartTesting,
  context: LintContext,
): Promise<string[]> {
  const { root, report } = context
  const files = ciFiles(join(root, chart))
  report(
    `${chart}: Chart.yaml against ${config.chartYamlSchema}, yamllint, helm lint with ${files.length} values files, under Helm 3 and 4`,
  )
  return [
    ...(await versionProblems(chart, config, context)),
    ...(await program(root, join(context.python, 'yamale'), [
      '--schema',
      config.chartYamlSchema,
      join(chart, 'Chart.yaml'),
    ])),
    ...(await program(root, join(context.python, 'yamllint'), [
      '--strict',
      '--format',
      'parsable',
      '--config-file',
      config.lintConf,
      join(chart, 'Chart.yaml'),
      join(chart, 'values.yaml'),
      ...files.map((file) => relative(root, file)),
    ])),
    ...(await helmLint(chart, files, config, context)),
  ]
}

/** Values files that the chart is linted and installed with, in alphabetical order. */
export function ciFiles(chart: string): string[] {
  const folder = join(chart, 'ci')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('-values.yaml'))
    .sort()
    .map((name) => join(folder, name))
}

async function helmLint(
  chart: string,
  files: string[],
  config: ChartTesting,
  { root }: LintContext,
): Promise<string[]> {
  const said: string[] = []
  for (const helm of ['helm3', 'helm4']) {
    for (const values of [[], ...files.map((file) => ['--values', relative(root, file)])]) {
      said.push(
        ...(await program(root, tool(helm), [
          'lint',
          chart,
          ...config.helmLintExtraArgs,
          ...values,
        ])),
      )
    }
  }
  return said
}

async function versionProblems(
  chart: string,
  config: ChartTesting,
  { root, report }: LintContext,
): Promise<string[]> {
  if (!config.checkVersionIncrement) return []
  const target = `${config.remote}/${config.targetBranch}`
  const base = await targetVersion(root, chart, target)
  if (base === undefined) {
    report(`${chart}: there is no ${target} here to compare the version with`)
    return []
  }
  const { version } = parse(readFileSync(join(root, chart, 'Chart.yaml'), 'utf8')) as {
    version: string
  }
  if (!base.changed || base.version === undefined || isHigher(version, base.version)) return []
  return [
    `${chart}/Chart.yaml: version is ${version}, on ${target} it is ${base.version}, and the chart has changed. Raise it.`,
  ]
}

/** Output of a program that fails, under its command line. */
async function program(cwd: string, name: string, args: string[]): Promise<string[]> {
  const result = await $({ cwd, quiet: true, nothrow: true })`${name} ${args}`
  return result.exitCode === 0
    ? []
    : [`${relative(cwd, name)} ${args.join(' ')}\n${`${result.stdout}${result.stderr}`.trim()}`]
}
