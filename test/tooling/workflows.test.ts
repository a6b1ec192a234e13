import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readValues } from '../../scripts/lib/read-values.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = join(root, '.github', 'workflows')
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts,
)

interface Job {
  needs?: string
  steps: { uses?: string; run?: string }[]
}

/** The commands of all steps of a workflow, after a look at its form. */
function commands(file: string): string[] {
  const { jobs } = readValues(join(folder, file)) as { jobs: Record<string, Job> }
  for (const { needs, steps } of Object.values(jobs)) {
    if (needs) expect(Object.keys(jobs)).toContain(needs)
    for (const { uses, run } of steps) {
      expect(uses ?? run).toBeTruthy()
      if (uses)
        expect(uses, 'an action without a version moves by itself').toMatch(/^[\w-]+\/[\w-]+@v\d/)
    }
  }
  return Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))
}

test.each(readdirSync(folder))('%s calls only what is there', (file) => {
  const text = commands(file).join('\n')
  for (const [, name = ''] of text.matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toContain(name)
  for (const [, path = ''] of text.matchAll(/--(?:file|config) (\S+)/g))
    expect(existsSync(join(root, path)), path).toBe(true)
})

test("chart-testing lints and installs with the project's configuration, and npm test runs as everywhere", () => {
  expect(commands('chart.yaml')).toEqual(
    expect.arrayContaining(['ct lint --config ct.yaml', 'ct install --config ct.yaml']),
  )
  expect(commands('test.yaml').at(-1)).toMatch(/\.ci\/run$/)
})
