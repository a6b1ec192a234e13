import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Database } from '../../runtime/database/index.ts'
import { scopes, tenantPattern, type Role, type Scope } from '../../runtime/people/identity.ts'

/** Something that the person at the keyboard can put right; only its words are shown. */
export class UsageError extends Error {}

/** What a command answers: a sentence for people, data for programs. */
export interface Answer {
  text: string
  data: unknown
}

/** What commands work with. */
export interface AdminContext {
  database: Database
  /** Address at which browsers reach the service. */
  publicURL: string
}

/** One command, or one of its parts: `token create`. */
export interface Command {
  /** How it is called, without `admin`. */
  usage: string
  summary: string
  options: NonNullable<ParseArgsConfig['options']>
  /** How many words may stand behind it. @default 0 */
  words?: number
  run(context: AdminContext, given: Given): Promise<Answer>
}

/** Options and words of a call. */
export class Given {
  readonly #values: Record<string, unknown>
  readonly #words: readonly string[]
  readonly #usage: string

  constructor(values: Record<string, unknown>, words: readonly string[], usage: string) {
    this.#values = values
    this.#words = words
    this.#usage = usage
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  /** @throws UsageError when it is missing */
  required(name: string): string {
    const value = this.text(name)
    if (value === undefined || value === '')
      throw new UsageError(`--${name} is missing: ${this.#usage}`)
    return value
  }

  /** The first word behind the command. @throws UsageError when there is none */
  word(what: string): string {
    const [word] = this.#words
    if (word === undefined) throw new UsageError(`name the ${what}: ${this.#usage}`)
    return word
  }

  /** @throws UsageError when it is no tenant's name */
  tenant(): string {
    return tenantName(this.required('tenant'))
  }

  /** @throws UsageError when it is no person's id */
  user(): string {
    const user = this.required('user')
    if (user.length > 256 || hasControl(user))
      throw new UsageError('--user must be at most 256 characters, without control characters')
    return user
  }

  whole(name: string, fallback: number, max: number): number {
    const text = this.text(name)
    if (text === undefined) return fallback
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < 1 || value > max)
      throw new UsageError(
        `--${name} is "${text}": give a whole number from 1 to ${max.toString()}`,
      )
    return value
  }

  role(): Role | undefined {
    const text = this.text('role')
    if (text === undefined || text === 'member' || text === 'admin') return text
    throw new UsageError(`--role is "${text}": give member or admin`)
  }

  scopes(fallback: readonly Scope[]): Scope[] {
    const text = this.text('scopes')
    if (text === undefined) return [...fallback]
    const names = text.split(',').map((name) => name.trim())
    const unknown = names.find((name) => !(scopes as readonly string[]).includes(name))
    if (unknown !== undefined)
      throw new UsageError(`--scopes names "${unknown}": give some of ${scopes.join(',')}`)
    return scopes.filter((scope) => names.includes(scope))
  }
}

/** @throws UsageError when it is no tenant's name */
export function tenantName(text: string): string {
  if (tenantPattern.test(text)) return text
  throw new UsageError(
    `"${text.slice(0, 80)}" is no tenant: use letters, digits, ".", "_" and "-", 64 characters at most`,
  )
}

const hasControl = (text: string) => /[\u0000-\u001f\u007f]/.test(text)

/** The audit's name for whoever may run this command: a person with access to the cluster. */
export const operator = 'operator'

const common = {
  output: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/**
 * Runs a command line.
 * @returns what to print
 * @throws UsageError for what the caller can put right
 */
export async function runCommand(
  commands: Readonly<Record<string, Command>>,
  args: readonly string[],
  open: () => AdminContext,
): Promise<string> {
  const names = Object.keys(commands)
  const name = [args.slice(0, 2).join(' '), args[0] ?? ''].find((start) => start in commands)
  const command = name === undefined ? undefined : commands[name]
  if (name === undefined || command === undefined) {
    const help = `usage: admin <command> [--output json]\n\n${names
      .map(
        (known) =>
          `  admin ${commands[known]?.usage ?? known}\n      ${commands[known]?.summary ?? ''}`,
      )
      .join('\n')}`
    if (args.length === 0 || args.includes('--help') || args.includes('-h')) return help
    const near = names.filter((known) => known.startsWith(`${args[0] ?? ''} `))
    throw new UsageError(
      `there is no command "${args.slice(0, 2).join(' ')}"; ${
        near.length > 0 ? `give one of: ${near.join(', ')}` : `run "admin --help" for all of them`
      }`,
    )
  }
  const usage = `admin ${command.usage}`
  let parsed
  try {
    parsed = parseArgs({
      args: args.slice(name.split(' ').length),
      options: { ...common, ...command.options },
      allowPositionals: true,
      strict: true,
    })
  } catch (error) {
    throw new UsageError(
      `${error instanceof Error ? error.message : String(error)}\nusage: ${usage}`,
    )
  }
  const values: Record<string, unknown> = parsed.values
  if (values['help'] === true) return `usage: ${usage}\n\n${command.summary}`
  if (parsed.positionals.length > (command.words ?? 0))
    throw new UsageError(`"${parsed.positionals.at(-1) ?? ''}" is one word too many: ${usage}`)
  const output = values['output'] ?? 'text'
  if (output !== 'text' && output !== 'json')
    throw new UsageError(`--output is "${String(output)}": give text or json`)
  const answer = await command.run(open(), new Given(values, parsed.positionals, usage))
  return output === 'json' ? JSON.stringify(answer.data, null, 2) : answer.text
}

/** Rows as lines of columns, for people. */
export function table(rows: readonly Readonly<Record<string, unknown>>[], none: string): string {
  const first = rows[0]
  if (first === undefined) return none
  const names = Object.keys(first)
  const cells = [names, ...rows.map((row) => names.map((name) => cell(row[name])))]
  const widths = names.map((_, index) =>
    Math.max(...cells.map((line) => (line[index] ?? '').length)),
  )
  return cells
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (value instanceof Date) return `${value.toISOString().slice(0, 19)}Z`
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
