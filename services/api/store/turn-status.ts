/**
 * The states of a turn, each with those that may follow it. Every statement that changes a status
 * names {@link leadingTo} its new one, so that no turn takes a step that is not in this table.
 */
export const transitions = {
  /** Waits for the family's earlier turns. */
  pending: ['queued', 'aborted', 'failed'],
  /** The queue has it. */
  queued: ['running', 'aborted', 'failed'],
  /** A worker has it; `running` again when the next worker claims it. */
  running: ['running', 'queued', 'completed', 'failed', 'aborted', 'dead'],
  /** The engine answered. */
  completed: [],
  /** It could not be run, or took too long. */
  failed: [],
  /** A client ended it. */
  aborted: [],
  /** It was tried as often as it may be; kept for people to look into. */
  dead: [],
} as const satisfies Record<string, readonly string[]>

/** Where a turn stands. */
export type TurnStatus = keyof typeof transitions

/** How a turn can end. */
export type TurnOutcome = Exclude<TurnStatus, 'pending' | 'queued' | 'running'>

const all = Object.keys(transitions) as TurnStatus[]

/** Whether nothing follows this status. */
export function isOver(status: TurnStatus): status is TurnOutcome {
  return transitions[status].length === 0
}

/** SQL list of the statuses of turns that are not over. */
export const open = sqlList(all.filter((status) => !isOver(status)))

/** SQL list of the statuses of turns that are over. */
export const over = sqlList(all.filter(isOver))

/** SQL list of the statuses that hold the family: its later turns wait meanwhile. */
export const holding = sqlList(['queued', 'running'])

/** SQL list of the statuses of turns that no worker has yet. */
export const waiting = sqlList(['pending', 'queued'])

/** SQL list of the statuses from which a turn may get to this one. */
export function leadingTo(status: TurnStatus): string {
  return sqlList(all.filter((from) => (transitions[from] as readonly string[]).includes(status)))
}

function sqlList(statuses: readonly TurnStatus[]): string {
  return `(${statuses.map((status) => `'${status}'`).join(', ')})`
}
