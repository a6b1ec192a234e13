import type { Overlay } from '../../../schemas/index.ts'
import type { LoadKind } from './attempts.ts'
import type { Budget } from './verdict.ts'

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
 * One command of a drill, as an argument list. `$name` stands for a value looked up before (see {@link Drill.values} and
 * {@link Step.saves}); the runbook prints the same list as a shell line, so a person types exactly what the drill ran.
 */
export interface Step {
  /** What the command does, as an imperative sentence without a full stop. */
  readonly title: string
  readonly command: readonly string[]
  /** Standard input, such as a manifest; values are put into it too. */
  readonly input?: string
  /** Repeated every 2 s until it succeeds, for at most so many seconds. */
  readonly within?: number
  /** Value that the output becomes. */
  readonly saves?: string
  /** What the output must be. */
  readonly prints?: string
  /** The command must fail: proof that something is no longer possible. */
  readonly refused?: boolean
}

/** A target of the document that cannot hold as written for one kind of load: what holds instead, and why. */
export interface Exception {
  readonly rtoSeconds: number
  readonly why: string
}

/** A failure that is made on purpose, and what must hold while it lasts. */
export interface Drill {
  /** Kebab-case, the name on the command line. */
  readonly name: string
  readonly title: string
  /** What fails, as the report names it. */
  readonly component: string
  readonly scenario: Scenario
  /** Kinds of load whose time to recover differs from the document's; what may be lost never does. */
  readonly exceptions?: Readonly<Partial<Record<LoadKind, Exception>>>
  /** Loads that run while the failure lasts. */
  readonly loads: readonly LoadKind[]
  /** Values that the release is installed with for this drill only. */
  readonly overlay?: Overlay
  /** Needs a second region that follows the first one's database, and the edge before both. */
  readonly regions?: boolean
  /** Must miss its budget: the proof that these drills can fail. */
  readonly control?: boolean
  /** Sets the scene, before any load. */
  readonly prepare?: readonly Step[]
  /** Values looked up before anything is broken: name → command that prints it. */
  readonly values?: Readonly<Record<string, readonly string[]>>
  /** Breaks it. */
  readonly inject: readonly Step[]
  /** What a person has to do until the service is back; its time counts. Empty where it comes back by itself. */
  readonly recover?: readonly Step[]
  /** What must be true once the service is back. */
  readonly proof?: readonly Step[]
  /** Makes the cluster whole again after the measurement. */
  readonly restore: readonly Step[]
  /** A restored database to compare with, instead of the service. */
  readonly restored?: Restored
  /** Longest time to wait for a success after the failure, in seconds. */
  readonly deadlineSeconds: number
}

/** Where a restored database is, and up to when it was restored. */
export interface Restored {
  /** Command that prints the titles of all its sessions, one a line. */
  readonly titles: readonly string[]
  /** Value with the moment that was restored, as `date` reads it. */
  readonly moment: string
}

/** All steps of a drill, in running order. */
export function stepsOf(drill: Drill): Step[] {
  return [
    ...(drill.prepare ?? []),
    ...drill.inject,
    ...(drill.recover ?? []),
    ...(drill.proof ?? []),
    ...drill.restore,
  ]
}

/** The budget that one kind of load is held to in a drill. */
export function budgetOf(drill: Drill, kind: LoadKind): Budget {
  return {
    ...budgets[drill.scenario],
    ...(drill.exceptions?.[kind] && { rtoSeconds: drill.exceptions[kind].rtoSeconds }),
  }
}

/** Replaces `$name` in a text by the values looked up. */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$([a-z]\w*)/g, (match, name: string) => {
    const value = values[name]
    if (value === undefined)
      throw new Error(`The drill's command uses "${match}", which no value defines.`)
    return value
  })
}

/** Replaces `$name` in a command's arguments by the values looked up. */
export function substitute(
  command: readonly string[],
  values: Readonly<Record<string, string>>,
): string[] {
  return command.map((argument) => fill(argument, values))
}
