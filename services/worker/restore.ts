import { asTurnEvents, type DurableEvent } from '../protocol/events.ts'
import { SandboxLost } from './errors.ts'
import { interruptionEvents } from './interruption.ts'
import type { OpenSandbox } from './open-sandbox.ts'
import type { Sandbox } from './sandbox.ts'
import type { Claim, Heads, TurnApi } from './turn-api.ts'

/** A session whose past a sandbox has. */
export interface Restored {
  /** Last stored sequence by session. */
  heads: Record<string, number>
  /** Digest of the files as they are stored; undefined where they never were. */
  storedFiles: string | undefined
  /** Events that had to be loaded. */
  events: number
}

/** Beyond every position: of such a session nothing is asked. */
const END = Number.MAX_SAFE_INTEGER

/** Sees to it that the sandbox has the session's past: an awake one has it, and gets what came meanwhile. @throws SandboxLost `unusable` */
export async function restore(
  api: TurnApi,
  { sandbox, begun, isTakenOver }: OpenSandbox,
  { directory }: Claim['turn'],
): Promise<Restored> {
  if (begun.isRestored) {
    const heads = await api.heads()
    const events = await catchUp(api, sandbox, directory, heads, isTakenOver)
    return { heads: positionsOf(heads), storedFiles: begun.storedFiles, events }
  }
  const history = await api.history()
  const closing = interruptionEvents(history, Date.now())
  if (closing.length > 0) await api.events(asTurnEvents(closing))
  const events = [...history, ...closing]
  // The engine looks for git when it opens a directory, once: the files must be whole by then.
  await sandbox.makeDirectory(directory)
  const snapshot = await api.workspace()
  if (snapshot) await sandbox.unpack(directory, snapshot)
  const known = headsOf(await sandbox.eventsAfter({}))
  await sandbox.replay(
    directory,
    events.filter(({ aggregateID, seq }) => seq > (known[aggregateID] ?? -1)),
  )
  return {
    heads: headsOf(events),
    storedFiles: await sandbox.restored(directory),
    events: events.length,
  }
}

/**
 * Compares the engine's log with ours, by their newest common event, and loads what only ours has (a title that was changed, a child
 * that was begun). @returns how many events that were
 */
async function catchUp(
  api: TurnApi,
  sandbox: Sandbox,
  directory: string,
  heads: Heads,
  isTakenOver: boolean,
): Promise<number> {
  const before = Object.entries(heads).map(([id, { seq }]) => [id, seq - 1] as const)
  const rows = await sandbox.eventsAfter(Object.fromEntries(before))
  const found = new Map(rows.map((row) => [`${row.aggregateID} ${row.seq.toString()}`, row.id]))
  const behind: string[] = []
  for (const [session, { seq, id }] of Object.entries(heads)) {
    const own = found.get(`${session} ${seq.toString()}`)
    if (own === undefined) behind.push(session)
    else if (own !== id) throw diverged()
  }
  const foreign = rows.filter(({ aggregateID }) => !(aggregateID in heads))
  await sandbox.disregard([
    ...new Set(
      foreign.filter((row) => !isTakenOver || isRoot(row)).map(({ aggregateID }) => aggregateID),
    ),
  ])
  if (behind.length === 0) return 0
  const others = Object.keys(heads).map((id) => [id, END] as const)
  const only = (positions: Record<string, number>) => ({
    ...Object.fromEntries(others),
    ...positions,
  })
  const known = await sandbox.eventsAfter(only(Object.fromEntries(behind.map((id) => [id, -1]))))
  const knownHeads = new Map(known.map((row) => [row.aggregateID, row]))
  const positions = behind.map((id) => [id, (knownHeads.get(id)?.seq ?? 0) - 1] as const)
  const missing = await api.history(only(Object.fromEntries(positions)))
  for (const { aggregateID, seq, id } of missing) {
    const last = knownHeads.get(aggregateID)
    if (last?.seq === seq && last.id !== id) throw diverged()
  }
  const fresh = missing.filter(
    ({ aggregateID, seq }) => seq > (knownHeads.get(aggregateID)?.seq ?? -1),
  )
  await sandbox.replay(directory, fresh)
  return fresh.length
}

function diverged(): SandboxLost {
  return new SandboxLost('unusable', 'the sandbox has another past than the log')
}

function isRoot({ type, data }: DurableEvent): boolean {
  return (
    type === 'session.created.1' &&
    (data['info'] as { parentID?: unknown } | undefined)?.parentID === undefined
  )
}

function positionsOf(heads: Heads): Record<string, number> {
  return Object.fromEntries(Object.entries(heads).map(([id, { seq }]) => [id, seq]))
}

function headsOf(events: readonly DurableEvent[]): Record<string, number> {
  const heads: Record<string, number> = {}
  for (const { aggregateID, seq } of events)
    heads[aggregateID] = Math.max(seq, heads[aggregateID] ?? -1)
  return heads
}
