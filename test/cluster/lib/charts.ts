import { $ } from 'zx'
import { root } from '../../../cluster/paths.ts'

const git = $({ quiet: true, cwd: root })

/**
 * The commit whose chart is the oldest that upgrades are supported from. Move it forward when a release ends that support,
 * and say so in CHANGELOG.md.
 */
const oldestSupported = 'cbc7d9aebbf3dc60ba44df031505d5c36b45c436'

/** A chart that users may have installed. */
export interface EarlierChart {
  readonly name: string
  readonly commit: string
}

/** The oldest supported chart, and the one before the last change to the chart where that is another. */
export async function earlierCharts(): Promise<EarlierChart[]> {
  const log = await git`git log --format=%H --max-count=2 -- chart`
  const previous = log.stdout.trim().split('\n')[1]
  const oldest = (await git`git rev-parse ${oldestSupported}`).stdout.trim()
  const charts = [{ name: 'the oldest supported chart', commit: oldest }]
  if (previous !== undefined && (await treeOf(previous)) !== (await treeOf(oldest)))
    charts.push({ name: 'the chart before the last change', commit: previous })
  return charts
}

async function treeOf(commit: string): Promise<string> {
  return (await git`git rev-parse ${`${commit}:chart`}`).stdout.trim()
}

/** Writes a commit's chart into a folder and returns the chart's path. */
export async function writeChart(commit: string, folder: string): Promise<string> {
  const archive = `${folder}/chart.tar`
  await git`git archive --output ${archive} ${commit} chart`
  await $({ quiet: true })`tar --extract --file ${archive} --directory ${folder}`
  return `${folder}/chart`
}
