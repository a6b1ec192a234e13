import type { Schema } from '../../../scripts/lib/generate/schema.ts'

/** Reads a schema whose references all point into itself. */
export class Mutations {
  readonly #definitions: Record<string, Schema>

  constructor(readonly schema: Schema) {
    this.#definitions = schema.definitions ?? {}
  }

  /** A value with every field the schema names (or as many as it allows), lists and maps with one entry each. */
  sample(): Record<string, unknown> {
    return this.#sample(this.schema, '#') as Record<string, unknown>
  }

  /** Every way to break the sample: an unknown key in every closed object, a wrong type at every leaf. */
  negatives(): { path: string; kind: 'unknown key' | 'wrong type'; values: unknown }[] {
    const whole = this.sample()
    const found: { path: string; kind: 'unknown key' | 'wrong type'; values: unknown }[] = []
    this.#walk(this.schema, whole, [], (path, closed, branches) => {
      const name = path.join('.') || '(root)'
      if (closed)
        found.push({
          path: name,
          kind: 'unknown key',
          values: replaced(whole, [...path, 'noSuchKey'], 1),
        })
      const wrong = this.#wrong(branches)
      if (path.length > 0 && wrong !== undefined)
        found.push({ path: name, kind: 'wrong type', values: replaced(whole, path, wrong) })
    })
    return found
  }

  /** The branches of a node, its references followed. */
  #branches(schema: Schema): Schema[] {
    const reference = schema.$ref ?? schema.allOf?.[0]?.$ref
    if (reference) {
      const name = decodeURIComponent(reference.replace('#/definitions/', ''))
      const target = this.#definitions[name]
      if (!target) throw new Error(`no definition ${name}`)
      return this.#branches(target)
    }
    return schema.anyOf ? schema.anyOf.flatMap((one) => this.#branches(one)) : [schema]
  }

  #sample(schema: Schema, path: string): unknown {
    const branches = this.#branches(schema)
    const [first] = branches
    if (!first) throw new Error(`nothing at ${path}`)
    const branch = branches.find((one) => one.type === 'object') ?? first
    if (branch.enum) return branch.enum[0]
    const [type] = [branch.type ?? []].flat()
    if (branch.properties ?? type === 'object') {
      const named = Object.entries(branch.properties ?? {}).map(([key, child]) => [
        key,
        this.#sample(child, `${path}/${key}`),
      ])
      const additional = branch.additionalProperties
      const key =
        branch.propertyNames?.pattern === undefined
          ? 'key'
          : match(branch.propertyNames.pattern, path)
      const free =
        typeof additional === 'object' && !branch.properties
          ? [[key, this.#sample(additional, `${path}/*`)]]
          : []
      return Object.fromEntries([...named, ...free].slice(0, branch.maxProperties))
    }
    if (type === 'array') return [this.#sample(branch.items as Schema, `${path}/0`)]
    if (type === 'boolean') return true
    if (type === 'integer' || type === 'number') return branch.minimum ?? 1
    return branch.pattern === undefined ? 'text' : match(branch.pattern, path)
  }

  #walk(
    schema: Schema,
    value: unknown,
    path: string[],
    visit: (path: string[], closed: boolean, branches: Schema[]) => void,
  ): void {
    const branches = this.#branches(schema)
    const branch = isMap(value) ? branches.find((one) => one.type === 'object') : branches[0]
    if (!branch) return
    visit(path, isMap(value) && branch.additionalProperties === false, branches)
    if (isMap(value)) {
      for (const [key, child] of Object.entries(value)) {
        const next = branch.properties?.[key] ?? branch.additionalProperties
        if (typeof next === 'object') this.#walk(next, child, [...path, key], visit)
      }
    }
    if (Array.isArray(value) && branch.items && !Array.isArray(branch.items))
      this.#walk(branch.items, value[0], [...path, '0'], visit)
  }

  /** A value of a type that no branch allows; undefined where anything is. */
  #wrong(branches: Schema[]): unknown {
    const types = new Set(
      branches.flatMap((one) => (one.enum ?? []).map(typeOf).concat([one.type ?? []].flat())),
    )
    if (types.size === 0) return undefined
    if (types.has('integer')) types.add('number')
    return [{ wrong: true }, ['wrong'], true, 1.5, 'wrong'].find(
      (value) => !types.has(typeOf(value)),
    )
  }
}

const candidates = [
  '10Gi',
  '30s',
  '0 0 2 * * *',
  'text',
  'api.example.com',
  'KEY',
  '10.0.0.0/8',
  '10.0.0.1:443',
  'http://example.com',
  `sha256:${'a'.repeat(64)}`,
  '50%',
  'ghcr.io/opencode/api:1.0.0',
  's3://bucket/path',
  '100m',
  'a/b',
]

function match(pattern: string, path: string): string {
  const found = candidates.find((text) => new RegExp(pattern, 'u').test(text))
  if (found === undefined)
    throw new Error(`no example for the pattern ${pattern} at ${path}: add one to "candidates"`)
  return found
}

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function replaced(value: unknown, [key, ...rest]: string[], leaf: unknown): unknown {
  if (key === undefined) return leaf
  if (Array.isArray(value))
    return value.map((one, index) => (String(index) === key ? replaced(one, rest, leaf) : one))
  const map = value as Record<string, unknown>
  return { ...map, [key]: replaced(map[key], rest, leaf) }
}
