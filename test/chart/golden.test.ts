import { describe, expect, test } from 'vitest'
import { cases } from './cases.ts'
import { orphans, produce, readGolden } from './lib/golden.ts'
import { helms, render, renderText } from './lib/render.ts'

describe.each(helms)('under %s', (helm) => {
  test.each(cases.filter((one) => !one.expectedError))('$name renders as its golden objects', async (one) => {
    expect(await produce(one, helm), 'npm run golden -- --update accepts a wanted change').toEqual(readGolden(one.name))
  })

  test.each(cases.filter((one) => one.expectedError))('$name is refused', async (one) => {
    await expect(render(helm, one)).rejects.toThrow(one.expectedError)
  })
})

test('rendering twice gives the same bytes', async () => {
  for (const one of cases.filter(({ name }) => ['default', 'us'].includes(name))) {
    expect(await renderText('helm4', one)).toBe(await renderText('helm4', one))
  }
})

test('every golden folder belongs to a case', () => {
  expect(orphans()).toEqual([])
})
