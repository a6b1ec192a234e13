import type { Tree } from './leaves.ts'

/** Values over values, as Helm merges them: maps are merged, lists and scalars replaced, `null` takes a key away. */
export function merged(under: Tree, over: object): Tree {
  const result: Tree = { ...under }
  for (const [key, value] of Object.entries(over) as [string, unknown][]) {
    const known = result[key]
    if (value === null) Reflect.deleteProperty(result, key)
    else result[key] = isTree(value) ? merged(isTree(known) ? known : {}, value) : value
  }
  return result
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
