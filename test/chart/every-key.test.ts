import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Schema } from '../../scripts/lib/generate/schema.ts'
import { readValues } from '../../scripts/lib/read-values.ts'
import { profiles, refusals, surroundings, unseen, type Profile } from './every-key.ts'
import { at, Leaves, withLeaf, type Leaf, type Tree } from './lib/leaves.ts'
import { chart } from './lib/paths.ts'
import { renderText } from './lib/render.ts'
import { merged } from './lib/merged.ts'

const schema = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')) as Schema
const leaves = new Leaves(schema)
const defaults = readValues(join(chart, 'values.yaml'))

type Rendered = { text: string } | { refused: string }

const known = new Map<string, Promise<Rendered>>()

/** Renders whole values: those of a profile and what a leaf needs around it are merged before. */
function render(values: Tree): Promise<Rendered> {
  const key = JSON.stringify(values)
  const result =
    known.get(key) ??
    renderText('helm4', { values }).then(
      (text) => ({ text }),
      (error: unknown) => ({ refused: (error as Error).message }),
    )
  known.set(key, result)
  return result
}

/** What became of a leaf's value: used, refused in Helm's words, or ignored. */
interface Verdict {
  readonly name: string
  /** The value that changed nothing, or no more than another one. */
  readonly ignored?: string
  readonly refused?: string
}

/** Everything around a leaf, and its value. */
function set(tree: Tree, leaf: Leaf, value: unknown): Tree {
  return withLeaf(leaves.around(tree, leaf), leaf.path, value)
}

/** Sets all leaves at once and looks for their rare words; where that is refused, halves of them. */
async function atOnce(base: Tree, before: string, these: readonly Leaf[]): Promise<Set<Leaf>> {
  if (these.length === 0) return new Set()
  const values = these.reduce((tree, leaf) => set(tree, leaf, leaf.values[0]), base)
  const result = await render(values)
  if ('text' in result)
    return new Set(
      these.filter(({ needle = '' }) => result.text.includes(needle) && !before.includes(needle)),
    )
  if (these.length === 1) return new Set()
  const half = Math.ceil(these.length / 2)
  const [first, second] = await Promise.all([
    atOnce(base, before, these.slice(0, half)),
    atOnce(base, before, these.slice(half)),
  ])
  return new Set([...first, ...second])
}

/** Sets one leaf to another value, a choice to each: what is accepted must render as nothing before it. */
async function alone(base: Tree, leaf: Leaf): Promise<Verdict> {
  const { name } = leaf
  const around = leaves.around(merged(base, surroundings(leaf)), leaf)
  const before = await render(around)
  if (!('text' in before)) return { name, refused: `its surroundings: ${before.refused}` }
  const seen = new Set([before.text])
  let refused: string | undefined
  for (const value of new Set(leaf.values)) {
    if (JSON.stringify(at(around, leaf.path)) === JSON.stringify(value)) continue
    const after = await render(withLeaf(around, leaf.path, value))
    if ('refused' in after) refused ??= after.refused
    else if (seen.has(after.text)) return { name, ignored: JSON.stringify(value) }
    else seen.add(after.text)
    if (seen.size > 1 && !leaf.choice) break
  }
  return { name, ...(refused !== undefined && seen.size === 1 ? { refused } : {}) }
}

/** Runs tasks two at a time. */
async function inPairs<T>(tasks: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  const queue = tasks.entries()
  const work = async (): Promise<void> => {
    for (const [index, task] of queue) results[index] = await task()
  }
  await Promise.all([work(), work()])
  return results
}

/** The keys that each profile tries: those that no earlier one has. */
function shares(): { profile: Profile; mine: readonly Leaf[] }[] {
  let rest: readonly Leaf[] = leaves.all.filter(({ name }) => !(name in unseen))
  return profiles.map((profile) => {
    const mine = rest.filter(({ name }) => profile.owns.test(name))
    rest = rest.filter((leaf) => !mine.includes(leaf))
    return { profile, mine }
  })
}

test('each key of the schema is tried', () => {
  const tried = shares().flatMap(({ mine }) => mine)
  expect(tried.length + Object.keys(unseen).length).toBe(leaves.all.length)
})

// 800 renderings in all: half a minute on an idle machine, ten beside much other work.
test.each(shares())(
  'a value that is accepted is used: $profile.name',
  { timeout: 1_200_000 },
  async ({ profile, mine }) => {
    const file = profile.file ? readValues(profile.file) : {}
    const base = merged(merged(defaults, file), profile.values)
    const before = await render(base)
    if (!('text' in before)) throw new Error(`${profile.name}: ${before.refused}`)
    const seen = await atOnce(
      base,
      before.text,
      mine.filter(
        (leaf) => leaf.needle !== undefined && Object.keys(surroundings(leaf)).length === 0,
      ),
    )
    const others = mine.filter((leaf) => !seen.has(leaf))
    const verdicts = await inPairs(others.map((leaf) => () => alone(base, leaf)))
    const wrong = verdicts.filter(
      ({ name, ignored, refused }) =>
        ignored !== undefined || (refused !== undefined && !refusals[name]?.test(refused)),
    )
    expect(wrong).toEqual([])
  },
)
