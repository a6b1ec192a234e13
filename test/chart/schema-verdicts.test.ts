import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { beforeAll, describe, expect, test } from 'vitest'
import { $ } from 'zx'
import type { Schema } from '../../scripts/lib/generate/schema.ts'
import { defaults } from '../../values/defaults.ts'
import { trickyValues } from './corpus.ts'
import { Mutations } from './lib/mutations.ts'
import { chart, tool } from './lib/paths.ts'
import { helms, render } from './lib/render.ts'

const schemaFile = join(chart, 'values.schema.json')
const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as Schema
const mutations = new Mutations(schema)
const ajv = new Ajv({ strict: false }).compile(schema)

interface Verdict {
  helm3: boolean
  helm4: boolean
  ajv: boolean
}

/** What both Helms' own validation and Ajv say of each value. */
async function verdicts(values: unknown[]): Promise<Verdict[]> {
  const lines = values.map((value) => JSON.stringify(value)).join('\n')
  const result = await $({
    quiet: true,
    input: `${lines}\n`,
  })`${tool('values-check')} ${schemaFile}`
  const helm = result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { helm3: boolean; helm4: boolean })
  expect(helm).toHaveLength(values.length)
  return helm.map((one, index) => ({ ...one, ajv: ajv(values[index]) }))
}

const all = (verdict: boolean): Verdict => ({ helm3: verdict, helm4: verdict, ajv: verdict })

test('a value with every field is accepted by all', async () => {
  expect(await verdicts([mutations.sample(), defaults])).toEqual([all(true), all(true)])
})

describe('every way to break it', () => {
  const negatives = mutations.negatives()
  let found: Verdict[] = []
  beforeAll(async () => {
    found = await verdicts(negatives.map((one) => one.values))
  })

  test.each(['unknown key', 'wrong type'] as const)(
    '%s is refused by both Helms and Ajv',
    (kind) => {
      const accepted = negatives.flatMap((one, index) => {
        const verdict = found[index]
        return one.kind === kind && verdict && (verdict.helm3 || verdict.helm4 || verdict.ajv)
          ? [{ path: one.path, ...verdict }]
          : []
      })
      expect(accepted).toEqual([])
      expect(negatives.filter((one) => one.kind === kind).length).toBeGreaterThan(100)
    },
  )

  test('through the command line too, one in eighty', async () => {
    for (const [index, one] of negatives.entries()) {
      if (index % 80 !== 0) continue
      for (const helm of helms)
        await expect(render(helm, { values: one.values as object }), one.path).rejects.toThrow(
          /values don't meet|schema/,
        )
    }
  })
})

test('tricky values get the verdict they deserve from all', async () => {
  const values = trickyValues.map((one) => one.values)
  const found = await verdicts(values)
  const wrong = trickyValues.flatMap((one, index) => {
    const verdict = found[index]
    return JSON.stringify(verdict) === JSON.stringify(all(one.good))
      ? []
      : [{ name: one.name, ...verdict }]
  })
  expect(wrong).toEqual([])
})
