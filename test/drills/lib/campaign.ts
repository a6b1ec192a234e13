import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../cluster/paths.ts'
import type { Progress } from '../../../cluster/progress.ts'
import { UserError } from '../../../scripts/lib/user-error.ts'
import { drills as catalogue } from '../catalogue/index.ts'
import type { Drill } from './drill.ts'
import { ensureDrillService, environment, settle } from './environment.ts'
import type { DrillOptions } from './options.ts'
import { ensureRegions, type Place } from './regions.ts'
import { html, markdown, passed, rows, verdict, type Environment } from './report.ts'
import { runDrill, type DrillContext, type DrillResult } from './run-drill.ts'

/** Where reports and acknowledgement logs lie; git ignores it. */
export const drillsFolder = join(root, 'dist', 'drills')
const summary = join(root, 'docs', 'recovery.md')

/** Results of several runs of the command, and where they were measured last. */
export interface Results {
  readonly environment: Environment
  readonly results: readonly DrillResult[]
}

/** Newer results in the place of older ones of the same drills. */
export function replaceResults(
  older: readonly DrillResult[],
  newer: readonly DrillResult[],
): DrillResult[] {
  const again = new Set(newer.map((result) => result.drill))
  return [...older.filter((result) => !again.has(result.drill)), ...newer]
}

/** Drills that need the same values next to each other, so that the release is changed as rarely as possible. */
export function byValues(drills: readonly Drill[]): Drill[][] {
  const groups = new Map<string, Drill[]>()
  for (const drill of drills) {
    const key = JSON.stringify([drill.overlay ?? {}, drill.regions ?? false])
    groups.set(key, [...(groups.get(key) ?? []), drill])
  }
  return [...groups.values()]
}

/** One run, or what it broke on: a drill that crashes is a drill that failed. */
export async function runOrReport(drill: Drill, context: DrillContext): Promise<DrillResult> {
  const now = Date.now()
  try {
    return await runDrill(drill, context)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return {
      drill: drill.name,
      startedAt: new Date(now).toISOString(),
      moments: { from: now, broken: now, to: Date.now() },
      measurements: [],
      stream: { missing: 0, repeated: 0, connects: 0 },
      violations: [`did not finish: ${message}`],
      events: [],
      attempts: [],
    }
  }
}

const file = join(drillsFolder, 'results.json')

function stored(): Results | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : undefined
}

/** Writes the page, the data and, where asked, the committed summary. */
function writeReports({ environment: where, results }: Results, docs: boolean): string[] {
  mkdirSync(drillsFolder, { recursive: true })
  writeFileSync(file, JSON.stringify({ environment: where, results } satisfies Results))
  const page = join(drillsFolder, 'index.html')
  writeFileSync(page, html(catalogue, results, where))
  if (docs) writeFileSync(summary, markdown(catalogue, results, where))
  return [page, file, ...(docs ? [summary] : [])]
}

/**
 * Writes page and summary again from the results of earlier runs.
 * @throws UserError where there are none
 */
export function reportAgain(): string[] {
  const results = stored()
  if (results === undefined)
    throw new UserError(`${file} is missing: nothing was measured here. Run "npm run drill" first.`)
  return writeReports(results, true)
}

/**
 * Runs drills on the production cluster and writes the report after each, so that an interrupted campaign is not lost.
 * @returns names of the drills that did not come out as they should
 */
export async function campaign(options: DrillOptions, progress: Progress): Promise<string[]> {
  const results: DrillResult[] = []
  let files: string[] = []
  const where = await environment()
  const older = stored()?.results ?? []
  for (const group of byValues(options.drills)) {
    const place = await ensurePlace(options, progress, group)
    try {
      for (const drill of group) {
        for (let run = 1; run <= options.runs; run += 1) {
          // What an earlier drill has left broken would be measured again: the campaign ends here instead.
          const context = await place.ready()
          const result = await progress.step(`${drill.name}, run ${run} of ${options.runs}`, () =>
            runOrReport(drill, context),
          )
          for (const line of outcome(result)) progress.line(line)
          results.push(result)
          const all = options.add ? [...older, ...results] : replaceResults(older, results)
          files = writeReports({ environment: where, results: all }, options.docs)
        }
      }
    } finally {
      await place.stop()
    }
  }
  for (const written of files) progress.line(`wrote ${written}`)
  return rows(catalogue, results)
    .filter((row) => !passed(row))
    .map((row) => `${row.drill.name} (${verdict(row)})`)
}

/** What a group of drills runs on. */
async function ensurePlace(
  options: DrillOptions,
  progress: Progress,
  [first]: readonly Drill[],
): Promise<Place> {
  if (first?.regions === true) return ensureRegions(options.cluster, progress, drillsFolder)
  const context = await ensureDrillService(options.cluster, progress, drillsFolder, first?.overlay)
  const ready = async (): Promise<DrillContext> => {
    await settle(context, progress)
    return context
  }
  return { ready, stop: () => Promise.resolve() }
}

/** A run's figures, one line each. */
export function outcome(result: DrillResult): string[] {
  const figures = result.measurements.map(
    ({ kind, attempts, failed, rtoSeconds, missing, duplicates }) =>
      `${kind}: ${attempts} requests, ${failed} failed, longest gap ${rtoSeconds.toFixed(1)} s, ${missing} lost, ${duplicates} twice`,
  )
  const { missing, repeated, connects } = result.stream
  return [
    ...figures,
    `stream: ${missing} missing, ${repeated} repeated, ${connects} connects`,
    ...result.violations.map((reason) => `✘ ${reason}`),
  ]
}
