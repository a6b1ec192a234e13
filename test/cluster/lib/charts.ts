import { join } from 'node:path'
import { $ } from 'zx'
import { buildEarlierImages } from '../../../cluster/images/index.ts'
import { root } from '../../../cluster/paths.ts'
import { createProgress } from '../../../cluster/progress.ts'
import { registry } from '../../../cluster/registry.ts'

const git = $({ quiet: true, cwd: root })

/**
 * The commit whose chart is the oldest that upgrades are supported from. Move it forward when a release ends that support,
 * and say so in CHANGELOG.md. Its services are bundled from this checkout's packages: what they import stays a development
 * dependency (tar).
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

/** What an earlier version is installed from. */
export interface EarlierRelease {
  /** Path of the chart. */
  readonly chart: string
  /** Its own values for two cores. */
  readonly valuesFiles: readonly string[]
  /** The tag of its own images: an earlier chart runs earlier services. */
  readonly values: Readonly<Record<string, unknown>>
}

/** Writes a commit's sources into an empty folder below the repository, and builds the images of its services. */
export async function prepareEarlier(
  commit: string,
  folder: string,
  offline: boolean,
): Promise<EarlierRelease> {
  const tag = await buildEarlierImages(commit, folder, {
    registry: registry.host,
    offline,
    progress: createProgress(),
  })
  return {
    chart: join(folder, 'chart'),
    valuesFiles: [join(folder, 'values', 'kind.yaml')],
    values: Object.fromEntries(
      ['api', 'worker', 'websocket'].map((name) => [name, { image: { tag } }]),
    ),
  }
}
