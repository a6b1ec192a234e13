import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { poll } from '../../../cluster/poll.ts'
import { AttemptLog, type Attempt, type LoadKind } from './attempts.ts'
import { DrillClient, type Target } from './client.ts'
import { clusterEvents } from './cluster-events.ts'
import { budgetOf, budgets, substitute, type Drill } from './drill.ts'
import { startLoads, type Loads } from './loads.ts'
import { startReader, streamFaults, type Reader } from './sse-reader.ts'
import { linesOf, lookUp, runSteps, type Shell } from './steps.ts'
import type { ClusterEvent } from './timeline.ts'
import { measure, violations, type Measurement, type Moments } from './verdict.ts'

/** Where a drill runs. */
export interface DrillContext extends Shell {
  readonly target: Target
  /** Namespaces of the release, for the events on the timeline. */
  readonly namespaces: readonly string[]
  /** Folder for the acknowledgement logs. */
  readonly folder: string
  readonly pace?: Pace
}

/** How long the parts of a run take at least, in milliseconds. */
export interface Pace {
  /** Steady load before the failure, so that the first gap has a beginning. */
  readonly warmUpMs: number
  /** A failure may take effect late (a partition, a lease that runs out): it is not called over before this. */
  readonly patienceMs: number
  /** Load goes on this long after it recovered, so that a relapse is seen. */
  readonly settleMs: number
}

/** Everything that one run of a drill showed. */
export interface DrillResult {
  readonly drill: string
  readonly startedAt: string
  readonly moments: Moments
  readonly measurements: readonly Measurement[]
  readonly stream: {
    readonly missing: number
    readonly repeated: number
    readonly connects: number
  }
  readonly violations: readonly string[]
  readonly events: readonly ClusterEvent[]
  readonly attempts: readonly Attempt[]
}

const usualPace: Pace = { warmUpMs: 8_000, patienceMs: 12_000, settleMs: 6_000 }
/** Clients of the event stream. */
const readers = 3

/** Figures of a run, and what is wrong beside them. */
interface Judgement {
  readonly measurements: readonly Measurement[]
  readonly reasons: readonly string[]
}

/** Waits until every load has succeeded after the failure, or the deadline has passed. */
async function waitForRecovery(
  log: AttemptLog,
  { loads: kinds, deadlineSeconds }: Drill,
  brokenAt: number,
  patienceMs: number,
): Promise<void> {
  const deadline = brokenAt + deadlineSeconds * 1000
  const recovered = (kind: LoadKind): boolean => {
    const recent = log.attempts.filter(
      (one) => one.kind === kind && one.startedAt > brokenAt + 1_000,
    )
    const tail = recent.slice(-3)
    return tail.length === 3 && tail.every((one) => one.acknowledged)
  }
  await delay(patienceMs)
  while (Date.now() < deadline && !kinds.every(recovered)) await delay(500)
}

/** What was lost or repeated on the event streams, and whether they came back at all. */
async function judgeStreams(
  client: DrillClient,
  streams: readonly Reader[],
  run: string,
): Promise<{ stream: DrillResult['stream']; reasons: string[] }> {
  const last = await poll('one more write', 120, () => client.createSession(`${run} last`), 2_000)
  const back = await Promise.all(streams.map((reader) => reader.sees(last, 60)))
  const faults = streams.map(({ record }) => ({
    ...streamFaults(record.ids),
    connects: record.connects,
  }))
  const sum = (key: 'missing' | 'repeated' | 'connects'): number =>
    faults.reduce((all, one) => all + one[key], 0)
  const stream = { missing: sum('missing'), repeated: sum('repeated'), connects: sum('connects') }
  const silent = back.filter((seen) => !seen).length
  return {
    stream,
    reasons: [
      ...(silent > 0
        ? [`stream: ${silent} of ${streams.length} clients no longer get events`]
        : []),
      ...(stream.missing > 0 ? [`stream: ${stream.missing} events missing`] : []),
      ...(stream.repeated > 0 ? [`stream: ${stream.repeated} events repeated`] : []),
    ],
  }
}

/** The figures of a restored database: everything acknowledged before its moment, nothing that began after it. */
export function judgeRestored(
  log: Pick<AttemptLog, 'attempts'>,
  titles: readonly string[],
  moment: number,
  moments: Moments,
): Judgement {
  const writes = log.attempts.filter((one) => one.kind === 'write')
  const before = writes.filter((one) => one.endedAt <= moment)
  const later = new Set(writes.filter((one) => one.startedAt > moment).map((one) => one.id))
  const beyond = titles.filter((title) => later.has(title)).length
  // Sessions of other clients are there too, and some have the same title.
  const own = new Set(writes.map((one) => one.id))
  const figures = measure(
    'write',
    before,
    titles.filter((title) => own.has(title)),
    { ...moments, to: moment },
  )
  // The service itself never stopped: its time to recover is the time until the restored database answered.
  const rtoSeconds = (moments.to - moments.broken) / 1000
  const reasons = beyond > 0 ? [`write: ${beyond} written after the restored moment are there`] : []
  return { measurements: [{ ...figures, rtoSeconds }], reasons }
}

/** The figures of each kind of load, from what the service says it has. */
async function judgeService(
  drill: Drill,
  client: DrillClient,
  log: AttemptLog,
  loads: Loads,
  moments: Moments,
): Promise<Judgement> {
  const measurements: Measurement[] = []
  for (const kind of drill.loads)
    measurements.push(
      measure(kind, log.attempts, await loads.present(client, kind, log.attempts), moments),
    )
  return { measurements, reasons: [] }
}

/** Half a scene is no place for the next drill: what there is of it is repaired, as far as the steps go, before the drill gives up. */
async function setScene(
  drill: Drill,
  context: DrillContext,
  values: Record<string, string>,
): Promise<void> {
  try {
    await runSteps(context, drill.prepare ?? [], values, [])
  } catch (error) {
    await runSteps(context, drill.restore, values, []).catch(() => undefined)
    throw error
  }
}

/** Runs one drill once: scene, steady load, failure, recovery, comparison, repair. The cluster is repaired whatever happens. */
export async function runDrill(drill: Drill, context: DrillContext): Promise<DrillResult> {
  const client = new DrillClient(context.target)
  const run = `${drill.name} ${Date.now()}`
  const log = new AttemptLog(join(context.folder, `${run.replace(' ', '-')}.jsonl`))
  const values: Record<string, string> = {}
  await setScene(drill, context, values)
  for (const [name, command] of Object.entries(drill.values ?? {}))
    values[name] = await lookUp(context, name, substitute(command, values))
  const streams = Array.from({ length: readers }, () => startReader(client))
  try {
    const events: ClusterEvent[] = []
    const loads = startLoads(client, log, drill.loads, run)
    const { moments, titles, failed } = await breakAndRecover(drill, context, {
      log,
      loads,
      values,
      events,
    })
    // Questions after the measurement are no part of it: a service that has just got its machines back may refuse one.
    const judged =
      drill.restored === undefined
        ? await poll(
            'an answer about what is there',
            120,
            () => judgeService(drill, client, log, loads, moments),
            2_000,
          )
        : judgeRestored(log, titles, Date.parse(values[drill.restored.moment] ?? ''), moments)
    const { stream, reasons } = await judgeStreams(client, streams, run)
    events.push(...(await clusterEvents(context, moments.from, context.namespaces)))
    // Where the budget lets writes be lost, their events are lost with them, and their numbers are given again.
    const lossless = budgets[drill.scenario].rpoSeconds === 0
    const streamReasons = reasons.filter((reason) => lossless || reason.includes('clients'))
    const missed = judged.measurements.flatMap((one) => violations(one, budgetOf(drill, one.kind)))
    return {
      drill: drill.name,
      startedAt: new Date(moments.from).toISOString(),
      moments,
      measurements: judged.measurements,
      stream,
      violations: [...missed, ...judged.reasons, ...streamReasons, ...failed],
      events,
      attempts: log.attempts,
    }
  } finally {
    await Promise.all(streams.map((reader) => reader.stop()))
  }
}

/** What the steps of a run work with. */
interface Scene {
  readonly log: AttemptLog
  readonly loads: Loads
  readonly values: Record<string, string>
  readonly events: ClusterEvent[]
}

/** The steps of a run under load, and the repair. `titles` are those of the restored database, `failed` the proofs that failed. */
async function breakAndRecover(
  drill: Drill,
  context: DrillContext,
  { log, loads, values, events }: Scene,
): Promise<{ moments: Moments; titles: string[]; failed: string[] }> {
  const { warmUpMs, patienceMs, settleMs } = context.pace ?? usualPace
  const failed: string[] = []
  const from = Date.now()
  try {
    await delay(warmUpMs)
    let broken = Date.now()
    await runSteps(context, drill.inject, values, events)
    // Nothing fails where a backup is restored beside the service: the clock starts with the restoration.
    if (drill.restored !== undefined) broken = Date.now()
    await runSteps(context, drill.recover ?? [], values, events)
    if (drill.restored === undefined) {
      await waitForRecovery(log, drill, broken, patienceMs)
      await delay(settleMs)
    }
    const to = Date.now()
    // What has to be proved is a finding, not a crash: the rest of the report is worth having.
    await runSteps(context, drill.proof ?? [], values, events).catch((error: unknown) => {
      failed.push(error instanceof Error ? error.message : String(error))
    })
    const titles =
      drill.restored === undefined
        ? []
        : await linesOf(context, substitute(drill.restored.titles, values))
    return { moments: { from, broken, to }, titles, failed }
  } finally {
    await loads.stop()
    await runSteps(context, drill.restore, values, events)
  }
}
