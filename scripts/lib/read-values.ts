import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { UserError } from './user-error.ts'

/**
 * Reads a values file the way Helm does, YAML 1.1, but refuses what Helm takes silently: a key that stands there twice.
 * @param file - path, as the user gave it
 * @throws {@link UserError} naming file, line and remedy
 */
export function readValues(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UserError(
      `${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}). Check the path and its permissions.`,
    )
  }
  const document = parseDocument(text, { version: '1.1', uniqueKeys: true })
  const [problem] = document.errors
  if (problem) {
    const line = problem.linePos?.[0].line ?? 1
    const remedy =
      problem.code === 'DUPLICATE_KEY'
        ? 'Keep one of the two: Helm would silently take the last.'
        : 'Correct the YAML there.'
    throw new UserError(
      `${file}:${line}: ${problem.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? problem.code}. ${remedy}`,
    )
  }
  const values: unknown = document.toJS() ?? {}
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new UserError(`${file}:1: holds no map. Write "key: value" lines.`)
  return values as Record<string, unknown>
}
