import { parseArgs } from 'node:util'
import { UserError } from '../scripts/lib/user-error.ts'
import { regions, type RegionName } from '../values/regions.ts'

/** How data stores are run: inside the chart, or by the operators of the production profile. */
export type Profile = 'embedded' | 'production'

/** What the command line of `up` and `down` says. */
export interface UpOptions {
  /** Name of the kind cluster. Default `opencode`, for another region `opencode-<region>`. */
  readonly name: string
  readonly region: RegionName
  readonly profile: Profile
  /** Port of 127.0.0.1 that leads to the gateway. Default 8080 and one more for each region. */
  readonly port: number
  /** Never ask a public container registry, even where one is in reach. */
  readonly offline: boolean
}

const firstPort = 8080

/**
 * Parses the arguments of `npm run up`.
 * @throws UserError quoting the option that is wrong and naming what is allowed.
 */
export function parseUpOptions(args: readonly string[]): UpOptions {
  const values = parse(args, {
    name: { type: 'string' },
    region: { type: 'string', default: 'us' },
    profile: { type: 'string', default: 'embedded' },
    port: { type: 'string' },
    offline: { type: 'boolean', default: false },
  })
  const region = oneOf('--region', values['region'], Object.keys(regions) as RegionName[])
  const profile = oneOf<Profile>('--profile', values['profile'], ['embedded', 'production'])
  const index = Object.keys(regions).indexOf(region)
  const name = String(values['name'] ?? (index === 0 ? 'opencode' : `opencode-${region}`))
  // kind makes host names of it.
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new UserError(`--name "${name}": use up to 32 lower-case letters, digits and hyphens.`)
  }
  return {
    name,
    region,
    profile,
    port: parsePort(values['port'], firstPort + index),
    offline: values['offline'] === true,
  }
}

/** Parses the arguments of `npm run down`. */
export function parseDownOptions(args: readonly string[]): {
  name: string | undefined
  all: boolean
} {
  const values = parse(args, {
    name: { type: 'string' },
    region: { type: 'string' },
    all: { type: 'boolean', default: false },
  })
  const named =
    values['name'] ??
    (values['region'] === undefined
      ? undefined
      : parseUpOptions(['--region', String(values['region'])]).name)
  return { name: named === undefined ? undefined : String(named), all: values['all'] === true }
}

type OptionTable = NonNullable<Parameters<typeof parseArgs>[0]>['options']

function parse(args: readonly string[], options: OptionTable): Record<string, unknown> {
  try {
    return parseArgs({ args: [...args], options: options ?? {}, allowPositionals: false }).values
  } catch (error) {
    const known = Object.keys(options ?? {})
      .map((name) => `--${name}`)
      .join(', ')
    throw new UserError(
      `${error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error)}. Known options: ${known}.`,
    )
  }
}

function oneOf<T extends string>(option: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value)
  if (found === undefined)
    throw new UserError(`${option} "${String(value)}": use one of ${allowed.join(', ')}.`)
  return found
}

function parsePort(value: unknown, standard: number): number {
  if (value === undefined) return standard
  const port = Number(value)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UserError(`--port "${String(value)}": use a number from 1 to 65535.`)
  return port
}
