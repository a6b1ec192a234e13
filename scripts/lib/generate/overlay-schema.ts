import { visit, type Schema } from './schema.ts'

/**
 * The schema of an overlay, such as a region's file: nothing is required, and `null` takes a default away.
 * @param values - schema of the complete values
 */
export function buildOverlaySchema(values: Schema): Schema {
  const overlay = structuredClone(values)
  visit(overlay, (node) => {
    if (node.type !== 'object') return
    delete node.required
    for (const [name, child] of Object.entries(node.properties ?? {}))
      node.properties = { ...node.properties, [name]: nullable(child) }
    if (
      typeof node.additionalProperties === 'object' &&
      Object.keys(node.additionalProperties).length > 0
    ) {
      node.additionalProperties = nullable(node.additionalProperties)
    }
  })
  return { ...overlay, title: "Overlay of the opencode chart's values" }
}

function nullable(schema: Schema): Schema {
  const { description, ...rest } = schema
  return { ...(description === undefined ? {} : { description }), anyOf: [rest, { type: 'null' }] }
}
