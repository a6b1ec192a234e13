import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { $ } from 'zx'
import { AttemptLog, type Attempt, type LoadKind } from './attempts.ts'
import { DrillClient, type Target } from './client.ts'
import { clusterEvents } from './cluster-events.ts'
import { budgetOf, substitute, type Drill, type Step } from './drill.ts'
import { startLoad } from './load.ts'
import { startReader, streamFaults } from './sse-reader.ts'
import type { ClusterEvent } from './timeline.ts'
import { measure, violations, type Measurement } from './verdict.ts'

/** Where a drill runs. */
export interface DrillContext {
  readonly target: Target
  /** kubectl with the arguments that choose the cluster. */
  readonly kubectl: readonly string[]
  /** Namespaces of the release, for the events on the timeline. */
  readonly namespaces: readonly string[]
  /** Folder for the acknowledgement logs. */
  readonly folder: string
  readonly progress: (line: string) => void
}

/** Everything that one run of a drill showed. */
export interface DrillResult {
  readonly drill: string
  readonly startedAt: string
  readonly window: readonly [number, number]
  readonly measurements: readonly Measurement[]
  readonly stream: { readonly missing: number; readonly repeated: number; readonly connects: number }
  readonly violations: readonly string[]
  readonly events: readonly ClusterEvent[]
  readonly attempts: readonly Attempt[]
}

/** Steady load before the failure, so that the first gap has a beginning. */
const warmUpMs = 8_000
/** Load goes on this long after it recovered, so that a relapse is seen. */
const settleMs = 10_000

async function execute(context: DrillContext, command: readonly string[]): Promise<string> {
  const [program, ...rest] = command
  const words = program === 'kubectl' ? [...context.kubectl, ...rest] : command
  const result = await $({ quiet: true })`${words}`
  return result.stdout.trim()
}

async function runSteps(
  context: DrillContext,
  steps: readonly Step[],
  values: Record<string, string>,
  events: ClusterEvent[],
): Promise<void> {
  for (const step of steps) {
    context.progress(`  ${step.title}`)
    events.push({ at: Date.now(), text: step.title, own: true })
    await execute(context, substitute(step.command, values))
  }
}

/** The loads of a drill, each with what it writes. */
function startLoads(
  client: DrillClient,
  log: AttemptLog,
  kinds: readonly LoadKind[],
  run: string,
  turnSessions: string[],
): (() => Promise<void>)[] {
  const starters: Record<LoadKind, () => () => Promise<void>> = {
    write: () => startLoad(log, { kind: 'write', everyMs: 200, concurrency: 20, run: (n) => client.createSession(`${run} write ${n}`) }),
    read: () => startLoad(log, { kind: 'read', everyMs: 200, concurrency: 20, run: (n) => client.read().then(() => String(n)) }),
    turn: () =>
      startLoad(log, {
        kind: 'turn',
        everyMs: 1_000,
        concurrency: 2,
        run: async (n) => {
          const session = await client.createSession(`${run} turn ${n}`)
          turnSessions.push(session)
          return client.prompt(session, `Say the number ${n}.`, 180_000)
        },
      }),
  }
  return kinds.map((kind) => starters[kind]())
}

/** Waits until every load has succeeded after the failure, or the deadline has passed. */
async function waitForRecovery(log: AttemptLog, kinds: readonly LoadKind[], brokenAt: number, deadlineSeconds: number): Promise<void> {
  const deadline = brokenAt + deadlineSeconds * 1000
  const recovered = (kind: LoadKind): boolean => {
    const recent = log.attempts.filter((one) => one.kind === kind && one.startedAt > brokenAt + 1_000)
    const tail = recent.slice(-3)
    return tail.length === 3 && tail.every((one) => one.acknowledged)
  }
  // A failure may take effect late (a partition, a lease that runs out): do not call it over at once.
  await delay(Math.min(15_000, deadlineSeconds * 1000))
  while (Date.now() < deadline && !kinds.every(recovered)) await delay(500)
}

/** What the service has afterwards, as ids that occur once for each time they are found. */
async function present(
  client: DrillClient,
  kind: LoadKind,
  turnSessions: readonly string[],
  attempts: readonly Attempt[],
): Promise<string[]> {
  if (kind === 'write') return client.sessionIds()
  if (kind === 'read') return attempts.flatMap((one) => (one.kind === 'read' && one.id !== undefined ? [one.id] : []))
  const lists: string[][] = []
  for (const session of turnSessions) lists.push(await client.messageIds(session))
  return lists.flat()
}

/** Runs one drill once: steady load, failure, recovery, comparison, repair. The cluster is repaired whatever happens. */
export async function runDrill(drill: Drill, context: DrillContext): Promise<DrillResult> {
  const client = new DrillClient(context.target)
  const run = `${drill.name} ${Date.now()}`
  const log = new AttemptLog(join(context.folder, `${run.replace(' ', '-')}.jsonl`))
  const values: Record<string, string> = {}
  for (const [name, command] of Object.entries(drill.values ?? {})) values[name] = await execute(context, substitute(command, values))
  const events: ClusterEvent[] = []
  const turnSessions: string[] = []
  const from = Date.now()
  const stopReader = startReader(client)
  const stopLoads = startLoads(client, log, drill.loads, run, turnSessions)
  let to = from
  try {
    await delay(warmUpMs)
    const brokenAt = Date.now()
    await runSteps(context, drill.inject, values, events)
    await waitForRecovery(log, drill.loads, brokenAt, drill.deadlineSeconds)
    await delay(settleMs)
  } finally {
    to = Date.now()
    await Promise.all(stopLoads.map((stop) => stop()))
    await runSteps(context, drill.restore, values, events)
  }
  // A turn's own length must not count as a gap at the window's end.
  const seen = await stopReader()
  const stream = { ...streamFaults(seen.ids), connects: seen.connects }
  const measurements: Measurement[] = []
  for (const kind of drill.loads) {
    measurements.push(measure(kind, log.attempts, await present(client, kind, turnSessions, log.attempts), [from, to]))
  }
  const reasons = measurements.flatMap((one) => violations(one, budgetOf(drill)))
  if (stream.missing > 0) reasons.push(`stream: ${stream.missing} events missing`)
  if (stream.repeated > 0) reasons.push(`stream: ${stream.repeated} events repeated`)
  events.push(...(await clusterEvents(context.kubectl, from, context.namespaces)))
  return {
    drill: drill.name,
    startedAt: new Date(from).toISOString(),
    window: [from, to],
    measurements,
    stream,
    violations: reasons,
    events,
    attempts: log.attempts,
  }
}
