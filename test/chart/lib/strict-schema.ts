/** A JSON Schema node, as OpenAPI and CRDs write it. */
export interface Node {
  type?: string | string[]
  format?: string
  $ref?: string
  description?: string
  properties?: Record<string, Node>
  additionalProperties?: boolean | Node
  items?: Node
  anyOf?: Node[]
  oneOf?: Node[]
  allOf?: Node[]
  not?: Node
  enum?: unknown[]
  nullable?: boolean
  default?: unknown
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[]
  [key: string]: unknown
}

const intOrString = { anyOf: [{ type: 'string' }, { type: 'integer' }] }
const quantity = { anyOf: [{ type: 'string' }, { type: 'number' }] }
const fromOpenApi: Record<string, Node> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': intOrString,
  'io.k8s.apimachinery.pkg.api.resource.Quantity': quantity,
}

/** A node of Kubernetes' own OpenAPI, refusing fields that are not named; references stay. */
export function strictDefinition(name: string, node: Node): Node {
  return fromOpenApi[name] ?? strict(node)
}

/** The same node, with every object that names its fields closed. */
export function strict(node: Node): Node {
  if (node['x-kubernetes-int-or-string']) return intOrString
  const result: Node = {}
  for (const key of [
    'type',
    '$ref',
    'enum',
    'default',
    'required',
    'pattern',
    'minimum',
    'maximum',
    'minLength',
    'maxLength',
    'minItems',
    'maxItems',
  ] as const) {
    if (node[key] !== undefined) result[key] = node[key] as never
  }
  // What stands in these names parts of an object whose fields the node itself lists: it is kept as it is.
  for (const key of ['anyOf', 'oneOf', 'allOf', 'not'] as const)
    if (node[key] !== undefined) result[key] = node[key] as never
  if (node.items) result.items = strict(node.items)
  if (node.properties) result.properties = mapValues(node.properties, strict)
  const open =
    node['x-kubernetes-preserve-unknown-fields'] ?? node['x-kubernetes-embedded-resource']
  if (typeof node.additionalProperties === 'object')
    result.additionalProperties = strict(node.additionalProperties)
  else if (node.additionalProperties !== undefined)
    result.additionalProperties = node.additionalProperties
  else if (node.properties && !open) result.additionalProperties = false
  if (node.nullable && typeof result.type === 'string') result.type = [result.type, 'null']
  return result
}

/** Applies a function to every value of a map. */
export function mapValues<A, B>(
  map: Record<string, A>,
  change: (value: A) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]))
}

/** Names of all definitions that a node refers to, and those refer to. */
export function reachable(start: string, definitions: Record<string, Node>): Set<string> {
  const found = new Set<string>()
  const visit = (name: string): void => {
    if (found.has(name)) return
    found.add(name)
    for (const [, next] of JSON.stringify(definitions[name]).matchAll(/"#\/definitions\/([^"]+)"/g))
      if (next) visit(next)
  }
  visit(start)
  return found
}
