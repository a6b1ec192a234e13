import { notFunctions, stableFunctions } from './stable-functions.ts'

/** What a statement does, by its first word; a CTE counts as its strongest part. */
export type StatementType =
  'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | 'MERGE' | 'TRANSACTION' | 'OTHER'

/** Why a replica may not answer a statement. */
export type PrimaryReason = 'write' | 'lock' | 'function' | 'several statements' | 'not a query'

/** What is known about a statement from its text alone. */
export interface Statement {
  readonly type: StatementType
  /** `undefined`: a replica may answer. */
  readonly primaryReason: PrimaryReason | undefined
  /** The function outside the allowed list, where that is the reason. */
  readonly call?: string
}

const writes = new Set(['insert', 'update', 'delete', 'merge'])
const control = new Set([
  'begin',
  'start',
  'commit',
  'end',
  'rollback',
  'abort',
  'savepoint',
  'release',
  'prepare',
])
const queries = new Set(['select', 'with', 'values', 'table'])

// One token of PostgreSQL's lexical syntax; what carries no meaning for us (literals, comments) has no group.
// https://www.postgresql.org/docs/current/sql-syntax-lexical.html
const token = new RegExp(
  [
    String.raw`--[^\n]*`,
    String.raw`\/\*`,
    String.raw`[eE]'(?:[^'\\]|\\[\s\S]|'')*'`,
    String.raw`(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'`,
    String.raw`\$(?<tag>[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*|)\$[\s\S]*?\$\k<tag>\$`,
    String.raw`(?<quoted>"(?:[^"]|"")*")`,
    String.raw`(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)`,
    String.raw`(?<mark>[().;])`,
    String.raw`\s+`,
    String.raw`[\s\S]`,
  ].join('|'),
  'gy',
)

/** Words in lower case, quoted identifiers as `"`, and the marks `( ) . ;`; no literals, no comments. */
function tokens(text: string): string[] {
  const found: string[] = []
  token.lastIndex = 0
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (match[0] === '/*') token.lastIndex = endOfComment(text, token.lastIndex)
    else if (match.groups?.['word'] !== undefined) found.push(match.groups['word'].toLowerCase())
    else if (match.groups?.['quoted'] !== undefined) found.push('"')
    else if (match.groups?.['mark'] !== undefined) found.push(match.groups['mark'])
  }
  return found
}

/** PostgreSQL's block comments nest, which no regular expression can follow. */
function endOfComment(text: string, start: number): number {
  const edge = /\/\*|\*\//g
  edge.lastIndex = start
  let depth = 1
  for (let match = edge.exec(text); match !== null; match = edge.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return edge.lastIndex
  }
  return text.length
}

/** The first called name that is on no list, `undefined` if there is none. */
function unknownCall(words: readonly string[], extra: ReadonlySet<string>): string | undefined {
  for (let index = 1; index < words.length; index++) {
    if (words[index] !== '(') continue
    const name = words[index - 1] ?? ''
    if (/^[().;]$/.test(name) || notFunctions.has(name)) continue
    const schema = words[index - 2] === '.' ? words[index - 3] : undefined
    const known =
      (stableFunctions.has(name) && (schema === undefined || schema === 'pg_catalog')) ||
      extra.has(schema ? `${schema}.${name}` : name)
    // `WITH name (column, …) AS (…)` and `… AS name (column, …)` are no calls.
    const columns =
      schema === undefined && ['as', 'with', 'recursive'].includes(words[index - 2] ?? '')
    if (!known && !columns) return name
  }
  return undefined
}

function locks(words: readonly string[]): boolean {
  return words.some((word, index) => {
    if (word !== 'for') return false
    const next = words[index + 1]
    return next === 'update' || next === 'share' || next === 'no' || next === 'key'
  })
}

/**
 * Says what a statement is and whether a replica may answer it. Errs towards the primary: an unknown word costs a little load there,
 * a write on a replica would cost an error.
 * @param extra functions of one's own that are declared STABLE or IMMUTABLE, lower case, with their schema if the statement names it
 */
export function classify(text: string, extra: ReadonlySet<string> = new Set()): Statement {
  const words = tokens(text)
  while (words.at(-1) === ';') words.pop()
  const first = words.find((word) => word !== '(') ?? ''
  if (control.has(first)) return { type: 'TRANSACTION', primaryReason: 'not a query' }
  if (writes.has(first))
    return { type: first.toUpperCase() as StatementType, primaryReason: 'write' }
  if (!queries.has(first)) return { type: 'OTHER', primaryReason: 'not a query' }
  if (words.includes(';')) return { type: 'OTHER', primaryReason: 'several statements' }
  const locking = locks(words)
  // The `update` of FOR UPDATE is no write, but a statement that says both is left to the primary all the same.
  const write = words.find(
    (word, index) =>
      writes.has(word) &&
      words[index - 1] !== 'for' &&
      words[index - 1] !== 'key' &&
      words[index - 1] !== '.',
  )
  if (write !== undefined)
    return { type: write.toUpperCase() as StatementType, primaryReason: 'write' }
  if (locking) return { type: 'SELECT', primaryReason: 'lock' }
  if (words.includes('into')) return { type: 'SELECT', primaryReason: 'write' }
  const call = unknownCall(words, extra)
  return call === undefined
    ? { type: 'SELECT', primaryReason: undefined }
    : { type: 'SELECT', primaryReason: 'function', call }
}
