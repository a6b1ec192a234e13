import type { Budget } from './verdict.ts'
import type { LoadKind } from './attempts.ts'

/** The rows of the document's RTO/RPO table. */
export type Scenario = 'pod' | 'node' | 'zone' | 'region' | 'outage'

/** The document's budgets: time to recover and data that may be lost, in seconds. */
export const budgets: Readonly<Record<Scenario, Budget>> = {
  pod: { rtoSeconds: 0, rpoSeconds: 0 },
  node: { rtoSeconds: 120, rpoSeconds: 0 },
  zone: { rtoSeconds: 300, rpoSeconds: 0 },
  region: { rtoSeconds: 900, rpoSeconds: 60 },
  outage: { rtoSeconds: 3_600, rpoSeconds: 300 },
}

/**
 * One command of a drill, as an argument list. `$name` stands for a value looked up before (see {@link Drill.values}); the
 * runbook prints the same list as a shell line, so a person types exactly what the drill ran.
 */
export interface Step {
  /** What the command does, as an imperative sentence without a full stop. */
  readonly title: string
  readonly command: readonly string[]
}

/** A failure that is made on purpose, and what must hold while it lasts. */
export interface Drill {
  /** Kebab-case, the name on the command line. */
  readonly name: string
  readonly title: string
  readonly scenario: Scenario
  /** Where the document's target cannot hold as written for this component: why, with what to expect instead. */
  readonly exception?: { readonly budget: Budget; readonly why: string }
  /** Loads that run while the failure lasts. */
  readonly loads: readonly LoadKind[]
  /** Values looked up before anything is broken: name → command that prints it. */
  readonly values?: Readonly<Record<string, readonly string[]>>
  /** Breaks it. */
  readonly inject: readonly Step[]
  /** Makes the cluster whole again after the measurement. */
  readonly restore: readonly Step[]
  /** Longest time to wait for a success after the failure, in seconds. */
  readonly deadlineSeconds: number
}

/** The budget a drill is held to. */
export function budgetOf(drill: Drill): Budget {
  return drill.exception?.budget ?? budgets[drill.scenario]
}

/** Replaces `$name` in a command's arguments by the values looked up. */
export function substitute(command: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return command.map((argument) =>
    argument.replace(/\$([a-z]\w*)/g, (match, name: string) => {
      const value = values[name]
      if (value === undefined) throw new Error(`The drill's command uses "${match}", which no value defines.`)
      return value
    }),
  )
}
