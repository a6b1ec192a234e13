import type { Schema } from './schema.ts'

/** Finds what a node says, through `$ref` and `allOf`. */
export class SchemaReader {
  readonly #root: Schema

  constructor(root: Schema) {
    this.#root = root
  }

  /** The node with its references followed; its own description wins over the referenced type's. */
  resolve(node: Schema): Schema {
    const reference = node.$ref ?? node.allOf?.[0]?.$ref
    if (reference === undefined) return node
    const name = decodeURIComponent(reference.replace('#/definitions/', ''))
    const target = this.#root.definitions?.[name]
    if (!target) throw new Error(`the schema refers to the unknown definition ${name}`)
    const { $ref, allOf, ...own } = node
    void $ref
    void allOf
    return { ...this.resolve(target), ...own }
  }

  /** The properties of an object node, in the order of the types. */
  properties(node: Schema): [string, Schema][] {
    return Object.entries(this.resolve(node).properties ?? {})
  }

  /** Type of a node in a few words: `integer`, `"a" or "b"`, `list`, `map`. */
  type(node: Schema): string {
    const resolved = this.resolve(node)
    if (resolved.enum) return resolved.enum.map((value) => JSON.stringify(value)).join(' or ')
    if (resolved.const !== undefined) return JSON.stringify(resolved.const)
    if (resolved.anyOf)
      return [...new Set(resolved.anyOf.map((child) => this.type(child)))].join(' or ')
    const { type } = resolved
    if (type === 'array') return 'list'
    if (type === 'object') return resolved.properties ? 'object' : 'map'
    return Array.isArray(type) ? type.join(' or ') : (type ?? 'any')
  }
}
