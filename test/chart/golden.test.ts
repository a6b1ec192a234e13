import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cases } from './cases.ts'
import { orphans, produce, readGolden } from './lib/golden.ts'
import { chart } from './lib/paths.ts'
import { helms, render, renderText } from './lib/render.ts'

describe.each(helms)('under %s', (helm) => {
  test.each(cases.filter((one) => !one.expectedError))(
    '$name renders as its golden objects',
    async (one) => {
      expect(
        await produce(one, helm),
        'npm run golden -- --update accepts a wanted change',
      ).toEqual(readGolden(one.name))
    },
  )

  test.each(cases.filter((one) => one.expectedError))('$name is refused', async (one) => {
    const refusal = await render(helm, one).then(
      () => 'accepted',
      (error: unknown) => (error as Error).message,
    )
    for (const words of [one.expectedError ?? []].flat()) expect(refusal).toContain(words)
  })
})

test('rendering twice gives the same bytes', async () => {
  for (const one of cases.filter(({ name }) => ['default', 'us'].includes(name))) {
    expect(await renderText('helm4', one)).toBe(await renderText('helm4', one))
  }
})

test('every message about an impossible combination has a case', async () => {
  const folder = join(chart, 'templates', 'validation')
  const messages = readdirSync(folder).flatMap(
    (file) => readFileSync(join(folder, file), 'utf8').match(/^- .*$/gm) ?? [],
  )
  expect(messages.length).toBeGreaterThan(20)
  const refusals = await Promise.all(
    cases
      .filter((one) => one.expectedError)
      .map((one) =>
        render('helm4', one).then(
          () => '',
          (error: unknown) => (error as Error).message,
        ),
      ),
  )
  for (const message of messages) {
    const [longest = ''] = message.split(/\{\{[^}]*\}\}/).sort((a, b) => b.length - a.length)
    expect(
      refusals.some((refusal) => refusal.includes(longest.trim())),
      message,
    ).toBe(true)
    expect(message, 'says what to set instead').toMatch(/ (Set|Raise|Lower|Add|Name|Use) [^.]+/)
  }
})

test('every golden folder belongs to a case', () => {
  expect(orphans()).toEqual([])
})
