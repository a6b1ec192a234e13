import { isDeepStrictEqual } from 'node:util'
import { Ajv, type ValidateFunction } from 'ajv'
import { crdSchema } from './kubernetes-schemas.ts'
import { id, type KubernetesObject } from './render.ts'

/** Patterns are Go's, which ECMAScript does not always read. Only the defaults are wanted here: kubeconform judges the rest. */
const anything = Object.assign(() => ({ test: () => true }), { code: 'anything' })
const ajv = new Ajv({
  useDefaults: true,
  strict: false,
  validateFormats: false,
  code: { regExp: anything },
})
const known = new Map<string, ValidateFunction | undefined>()

/**
 * Paths of lists in a custom resource that the API server would complete by a default of its definition. Tools that merge lists as
 * a whole (Argo CD, `kubectl diff`) would see a difference for ever: such defaults must be written out.
 */
export function incompleteLists(object: KubernetesObject): string[] {
  const key = `${object.apiVersion} ${object.kind}`
  if (!known.has(key)) {
    const schema = crdSchema(object.apiVersion, object.kind)
    known.set(key, schema && ajv.compile(schema))
  }
  const complete = known.get(key)
  if (!complete) return []
  const after = structuredClone(object)
  complete(after)
  return differences(object, after, '').map((path) => `${id(object)}${path}`)
}

function differences(before: unknown, after: unknown, path: string): string[] {
  if (Array.isArray(before))
    return isDeepStrictEqual(before, after) ? [] : [`${path}: ${JSON.stringify(after)}`]
  if (typeof before !== 'object' || before === null) return []
  return Object.entries(before).flatMap(([key, child]) =>
    differences(child, (after as Record<string, unknown>)[key], `${path}.${key}`),
  )
}
