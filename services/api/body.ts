import type { z } from 'zod'
import { Problem } from '../runtime/problem.ts'
import type { ApiContext } from './context.ts'

const MAX_DEPTH = 64

/**
 * Reads and checks a JSON body. An empty body counts as `{}`.
 * @throws Problem 400 that names the field and what it must be
 */
export async function readBody<S extends z.ZodType>(
  context: ApiContext,
  schema: S,
): Promise<z.infer<S>> {
  const text = await context.req.text()
  let value: unknown
  try {
    value = text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    throw new Problem(400, 'the body is not JSON', { type: 'invalid-body' })
  }
  if (depth(value, 0) > MAX_DEPTH)
    throw new Problem(400, `the body is nested deeper than ${MAX_DEPTH.toString()} levels`, {
      type: 'invalid-body',
    })
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new Problem(400, `the body cannot be used: ${issues(result.error)}`, {
    type: 'invalid-body',
  })
}

/** Reads and checks the query string. @throws Problem 400 */
export function readQuery<S extends z.ZodType>(context: ApiContext, schema: S): z.infer<S> {
  const result = schema.safeParse(context.req.query())
  if (result.success) return result.data
  throw new Problem(400, `the query string cannot be used: ${issues(result.error)}`, {
    type: 'invalid-query',
  })
}

function issues(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`)
    .join('; ')
    .slice(0, 1_000)
}

function depth(value: unknown, level: number): number {
  if (level > MAX_DEPTH || typeof value !== 'object' || value === null) return level
  let deepest = level
  for (const child of Object.values(value)) deepest = Math.max(deepest, depth(child, level + 1))
  return deepest
}
