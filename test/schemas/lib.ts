import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv, type ValidateFunction } from 'ajv'
import { buildSchema, type Schema } from '../../scripts/lib/generate/schema.ts'

/** Folder of the project. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A validator for a schema, as strict about values as Helm's. */
export function validator(schema: Schema): ValidateFunction {
  return new Ajv({ allErrors: true, strict: false }).compile(schema)
}

/** The schema of one source file that exports the interface `Values`. */
export function schemaOf(source: string): Schema {
  const folder = mkdtempSync(join(tmpdir(), 'schemas-'))
  mkdirSync(join(folder, 'schemas'))
  writeFileSync(join(folder, 'schemas', 'index.ts'), source)
  return buildSchema(folder)
}
