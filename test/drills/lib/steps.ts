import { setTimeout as delay } from 'node:timers/promises'
import { $ } from 'zx'
import { clusterEnv } from '../../../cluster/kind-cluster.ts'
import { root, tool, toolsBin } from '../../../cluster/paths.ts'
import { fill, substitute, type Step } from './drill.ts'
import type { ClusterEvent } from './timeline.ts'

/** Where the commands of a drill run. */
export interface Shell {
  /** Name of the kind cluster that kubectl and helm speak with. */
  readonly cluster: string
  /** Variables over those of the cluster. */
  readonly env?: Readonly<Record<string, string>>
  readonly progress: (line: string) => void
}

/** What a command ended with. */
interface Outcome {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Programs that are called by another name than the one a person types. */
const programs: Readonly<Record<string, string>> = { kubectl: tool('kubectl'), helm: tool('helm4') }

/** Runs a command as the runbook shows it, with the cluster's kubeconfig and our own kubectl first on the path. */
async function run(shell: Shell, command: readonly string[], input = ''): Promise<Outcome> {
  const [program = '', ...rest] = command
  const env = {
    ...clusterEnv(shell.cluster),
    PATH: `${toolsBin}:${process.env['PATH'] ?? ''}`,
    ...shell.env,
  }
  return $({
    quiet: true,
    nothrow: true,
    env,
    input,
    cwd: root,
  })`${[programs[program] ?? program, ...rest]}`
}

function failure(title: string, command: readonly string[], outcome: Outcome, why: string): Error {
  const said = [outcome.stdout.trim(), outcome.stderr.trim()].filter(Boolean).join('\n')
  return new Error(`The drill's step "${title}" ${why}: ${command.join(' ')}\n${said}`)
}

/** Looks a value up. */
export async function lookUp(
  shell: Shell,
  name: string,
  command: readonly string[],
): Promise<string> {
  const outcome = await run(shell, command)
  const value = outcome.stdout.trim()
  if (outcome.exitCode !== 0 || value === '')
    throw failure(`look up ${name}`, command, outcome, 'found nothing')
  return value
}

/** Whether an outcome is what the step wants; the reason where it is not. */
function judge(step: Step, outcome: Outcome): string | undefined {
  if (step.refused === true) return outcome.exitCode === 0 ? 'succeeded and must not' : undefined
  if (outcome.exitCode !== 0) return 'failed'
  if (step.prints !== undefined && outcome.stdout.trim() !== step.prints)
    return `did not print "${step.prints}"`
  return undefined
}

/** Runs steps in order; each becomes an event of the timeline, what they save a value. */
export async function runSteps(
  shell: Shell,
  steps: readonly Step[],
  values: Record<string, string>,
  events: ClusterEvent[],
): Promise<void> {
  for (const step of steps) {
    shell.progress(`  ${step.title}`)
    events.push({ at: Date.now(), text: step.title, own: true })
    const command = substitute(step.command, values)
    const deadline = Date.now() + (step.within ?? 0) * 1000
    for (;;) {
      const outcome = await run(
        shell,
        command,
        step.input === undefined ? '' : fill(step.input, values),
      )
      const wrong = judge(step, outcome)
      if (wrong === undefined) {
        if (step.saves !== undefined) values[step.saves] = outcome.stdout.trim()
        break
      }
      if (Date.now() >= deadline) throw failure(step.title, command, outcome, wrong)
      await delay(2_000)
    }
  }
}

/** Lines that a command prints. */
export async function linesOf(shell: Shell, command: readonly string[]): Promise<string[]> {
  const outcome = await run(shell, command)
  if (outcome.exitCode !== 0) throw failure('read', command, outcome, 'failed')
  return outcome.stdout.split('\n').filter((text) => text !== '')
}
