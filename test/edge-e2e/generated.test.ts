import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { generateEdgeFiles } from '../../edge/tools/generate.ts'

it('the committed configuration is what the region table gives', () => {
  for (const [path, content] of Object.entries(generateEdgeFiles())) {
    expect(
      readFileSync(`${import.meta.dirname}/../../${path}`, 'utf8'),
      `run npm run generate: ${path}`,
    ).toBe(content)
  }
})
