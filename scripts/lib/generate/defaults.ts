import { isDeepStrictEqual } from 'node:util'
import { UserError } from '../user-error.ts'
import { SchemaReader } from './describe.ts'
import type { Schema } from './schema.ts'

/**
 * Helm never applies a schema's defaults, so the typed objects are the defaults and a `@default` tag is only words. It must be true words.
 * @throws {@link UserError} naming each field whose tag and value differ
 */
export function checkDefaultTags(schema: Schema, defaults: object): void {
  const wrong = differences(new SchemaReader(schema), schema, defaults, '')
  if (wrong.length > 0)
    throw new UserError(
      `@default tags in schemas/ differ from values/defaults/:\n  ${wrong.join('\n  ')}`,
    )
}

function differences(
  reader: SchemaReader,
  schema: Schema,
  value: unknown,
  prefix: string,
): string[] {
  if (typeof value !== 'object' || value === null) return []
  return reader.properties(schema).flatMap(([key, child]) => {
    const path = prefix ? `${prefix}.${key}` : key
    const present = (value as Record<string, unknown>)[key]
    const tag = reader.resolve(child).default
    const own =
      tag === undefined || isDeepStrictEqual(tag, present)
        ? []
        : [`${path}: @default ${JSON.stringify(tag)}, value ${JSON.stringify(present)}`]
    return [...own, ...differences(reader, child, present, path)]
  })
}
