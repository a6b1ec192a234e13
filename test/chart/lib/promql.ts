/** A metric as a query names it, with the labels that it is chosen by. */
export interface Selector {
  readonly metric: string
  readonly labels: readonly string[]
}

const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan'])

/** Every selector of a query. promtool is the judge of its grammar; this only has to find names in what passed there. */
export function selectors(query: string): Selector[] {
  const plain = withoutGroups(withoutStrings(query)).replaceAll(/\[[^\]]*\]/g, '')
  return [...plain.matchAll(/([A-Za-z_:][\w:]*)\s*(\{[^}]*\}|\(|)/g)].flatMap(
    ([, name = '', after = '']) => {
      if (after === '(' || words.has(name.toLowerCase())) return []
      return [
        {
          metric: name,
          labels: [...after.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
        },
      ]
    },
  )
}

/** Labels that a query groups or matches by. */
export function groupings(query: string): string[] {
  return [...withoutStrings(query).matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)].flatMap(
    ([, list = '']) =>
      list
        .split(',')
        .map((label) => label.trim())
        .filter(Boolean),
  )
}

function withoutStrings(query: string): string {
  return query.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
}

function withoutGroups(query: string): string {
  return query.replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '')
}
