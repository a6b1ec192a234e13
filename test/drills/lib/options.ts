import { parseArgs } from 'node:util'
import { parseUpOptions, type UpOptions } from '../../../cluster/options.ts'
import { UserError } from '../../../scripts/lib/user-error.ts'
import type { Drill } from './drill.ts'

/** What the command line of `npm run drill` says. */
export interface DrillOptions {
  readonly drills: readonly Drill[]
  readonly runs: number
  /** Only print the catalogue. */
  readonly list: boolean
  /** Only write page and summary from the results that are there. */
  readonly report: boolean
  /** Write docs/recovery.md from all results that are there. Default: when every drill was asked for. */
  readonly docs: boolean
  /** Count beside the earlier runs of the same drills, not in their place. */
  readonly add: boolean
  readonly cluster: UpOptions
}

const usage =
  'npm run drill [-- NAME… --runs N --add --list --report --docs --name CLUSTER --port PORT]'

/**
 * Parses the arguments of `npm run drill`.
 * @throws UserError quoting what is wrong and naming what is allowed.
 */
export function parseDrillOptions(
  args: readonly string[],
  catalogue: readonly Drill[],
): DrillOptions {
  const { values, positionals } = parse(args)
  const known = catalogue.map((drill) => drill.name)
  const wrong = positionals.find((name) => !known.includes(name))
  if (wrong !== undefined)
    throw new UserError(`no drill named "${wrong}". Known: ${known.join(', ')}.`)
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1)
    throw new UserError(`--runs "${values.runs}": use a whole number from 1.`)
  const drills =
    positionals.length === 0
      ? catalogue
      : catalogue.filter((drill) => positionals.includes(drill.name))
  return {
    drills,
    runs,
    list: values.list,
    report: values.report,
    add: values.add,
    docs: values.docs || positionals.length === 0,
    cluster: parseUpOptions([
      '--profile',
      'production',
      '--name',
      values.name,
      '--port',
      values.port,
    ]),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        runs: { type: 'string', default: '3' },
        add: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        report: { type: 'boolean', default: false },
        docs: { type: 'boolean', default: false },
        name: { type: 'string', default: 'opencode-prod' },
        port: { type: 'string', default: '8091' },
      },
    })
  } catch (error) {
    throw new UserError(
      `${error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error)}. Usage: ${usage}.`,
    )
  }
}
