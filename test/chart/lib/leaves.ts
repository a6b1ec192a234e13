import type { Schema } from '../../../scripts/lib/generate/schema.ts'

/** A value of the chart that has no parts, and values to give it. */
export interface Leaf {
  /** Where it stands; entries of maps have a name made for this leaf, items of lists are `0`. */
  readonly path: readonly string[]
  /** The same as the reference writes it, `*` for entries of maps. */
  readonly name: string
  /** Values to give it, those of a choice being all that there are. */
  readonly values: readonly unknown[]
  /** Whether it is a choice: then each value must differ from the others. */
  readonly choice: boolean
  /** Words that only this leaf's first value brings; undefined where nothing so rare is allowed. */
  readonly needle: string | undefined
}

/** Values tree. */
export interface Tree {
  [key: string]: unknown
}

/** Reads a schema of values: its leaves, and the least that must stand around each. */
export class Leaves {
  readonly #definitions: Record<string, Schema>
  readonly all: readonly Leaf[]

  constructor(readonly schema: Schema) {
    this.#definitions = schema.definitions ?? {}
    const found: Leaf[] = []
    this.#walk(schema, [], [], (name, path, branches) => {
      found.push(leaf(name, path, branches, found.length))
    })
    this.all = found
  }

  /**
   * The tree with the leaf's surroundings in it: maps and lists with an entry for it, required fields beside it.
   * The leaf itself is only there where its surroundings require it.
   */
  around(tree: Tree, { path }: Leaf): Tree {
    return this.#around(this.schema, tree, path) as Tree
  }

  #around(schema: Schema, value: unknown, [key, ...rest]: readonly string[]): unknown {
    if (key === undefined) return value
    const branches = this.#branches(schema)
    const list = branches.find((one) => one.type === 'array')
    if (list && key === '0') {
      const known = Array.isArray(value) ? (value as unknown[]) : []
      const item = list.items as Schema
      if (rest.length === 0) return known
      return [this.#around(item, known[0] ?? this.#required(item), rest), ...known.slice(1)]
    }
    const map = branches.find((one) => one.type === 'object') ?? {}
    const known = isTree(value) ? value : (this.#required(map) as Tree)
    const next = map.properties?.[key] ?? map.additionalProperties
    if (rest.length === 0 || typeof next !== 'object') return known
    return { ...known, [key]: this.#around(next, known[key], rest) }
  }

  /** The least that the schema accepts. */
  #required(schema: Schema): unknown {
    const branches = this.#branches(schema)
    const branch = branches.find((one) => one.type === 'object') ?? branches[0] ?? {}
    if (branch.enum) return branch.enum[0]
    const [type] = [branch.type ?? []].flat()
    if (type === 'object') {
      const required = (branch['required'] as string[] | undefined) ?? []
      return Object.fromEntries(
        required.map((key) => [key, this.#required(branch.properties?.[key] ?? {})]),
      )
    }
    if (type === 'array') return []
    if (type === 'boolean') return true
    if (type === 'integer' || type === 'number') return branch.minimum ?? 1
    return text(branch.pattern, 0)
  }

  #branches(schema: Schema): Schema[] {
    const reference = schema.$ref ?? schema.allOf?.[0]?.$ref
    if (reference) {
      const target = this.#definitions[decodeURIComponent(reference.replace('#/definitions/', ''))]
      if (!target) throw new Error(`no definition ${reference}`)
      return this.#branches(target)
    }
    return schema.anyOf ? schema.anyOf.flatMap((one) => this.#branches(one)) : [schema]
  }

  #walk(
    schema: Schema,
    names: readonly string[],
    path: readonly string[],
    visit: (name: string, path: readonly string[], branches: readonly Schema[]) => void,
  ): void {
    const branches = this.#branches(schema)
    const map = branches.find((one) => one.type === 'object')
    const list = branches.find((one) => one.type === 'array')
    const additional = map?.additionalProperties
    if (map?.properties) {
      for (const [key, child] of Object.entries(map.properties))
        this.#walk(child, [...names, key], [...path, key], visit)
    } else if (typeof additional === 'object' && Object.keys(additional).length > 0) {
      this.#walk(additional, [...names, '*'], [...path, '*'], visit)
    } else if (list) {
      this.#walk(list.items as Schema, [...names, '0'], [...path, '0'], visit)
    } else {
      const key = `k${(this.#count += 1).toString()}`
      visit(
        names.join('.'),
        path.map((part) => (part === '*' ? key : part)),
        branches,
      )
    }
    // A map of texts or objects: the text is a leaf too.
    if (map?.properties && branches.some((one) => one.type === 'string') && path.at(-1) === '*') {
      const key = `k${(this.#count += 1).toString()}`
      visit(
        names.join('.'),
        path.map((part) => (part === '*' ? key : part)),
        branches.filter((one) => one.type === 'string'),
      )
    }
  }

  #count = 0
}

function leaf(
  name: string,
  path: readonly string[],
  branches: readonly Schema[],
  index: number,
): Leaf {
  const choices = branches.flatMap((one) => one.enum ?? [])
  const types = branches.flatMap((one) => one.type ?? [])
  if (choices.length > 0) return { name, path, values: choices, choice: true, needle: undefined }
  if (types.includes('boolean'))
    return { name, path, values: [true, false], choice: true, needle: undefined }
  if (types.includes('object')) {
    const word = `x${index.toString()}x`
    return { name, path, values: [{ [word]: word }], choice: false, needle: word }
  }
  const [branch = {}] = branches
  if (types.includes('string')) {
    const value = text(branch.pattern, index)
    const rare = value.includes(rareNumber(index).toString())
    return {
      name,
      path,
      values: [value, text(branch.pattern, 7)],
      choice: false,
      needle: rare ? value : undefined,
    }
  }
  const least = branch.minimum ?? 0
  const most = branch.maximum ?? Infinity
  const rare = rareNumber(index)
  if (types.includes('integer') && rare <= most)
    return { name, path, values: [rare, least, least + 1], choice: false, needle: rare.toString() }
  const values = [least + 1, least, Math.min(most, least + 2)].filter((one) => one <= most)
  return { name, path, values, choice: false, needle: undefined }
}

const rareNumber = (index: number): number => 20011 + index

/** A text that the pattern accepts, with a rare number in it where it can have one. */
function text(pattern: string | undefined, index: number): string {
  const n = rareNumber(index).toString()
  const candidates = [
    `x${n}x`,
    `X${n}`,
    `${n}Mi`,
    `${n}s`,
    `0 0 2 ${((index % 28) + 1).toString()} * *`,
    `https://x${n}x.example.com`,
    `10.${(index >> 8).toString()}.${(index & 255).toString()}.0/24`,
    `sha256:${n.padStart(64, '0')}`,
    `registry.example.com/x${n}x:1`,
    `s3://x${n}x/path`,
    `${((index % 90) + 5).toString()}%`,
    `10.${(index >> 8).toString()}.${(index & 255).toString()}.1:443`,
  ]
  const expression = new RegExp(pattern ?? '', 'u')
  const found = candidates.find((candidate) => expression.test(candidate))
  if (found === undefined) throw new Error(`no example for the pattern ${pattern ?? ''}: add one`)
  return found
}

/** The tree with one leaf set. */
export function withLeaf(tree: Tree, [key, ...rest]: readonly string[], value: unknown): Tree {
  if (key === undefined) return value as Tree
  if (Array.isArray(tree)) return [withLeaf(tree[0] as Tree, rest, value)] as unknown as Tree
  return {
    ...tree,
    [key]: withLeaf((tree[key] ?? (rest[0] === '0' ? [] : {})) as Tree, rest, value),
  }
}

/** What stands at a path. */
export function at(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<string, unknown> | undefined)?.[key],
    tree,
  )
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
