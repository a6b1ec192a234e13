import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mutations } from './support/mutations.ts'

const root = resolve(import.meta.dirname, '../..')

// Whether the cases notice them takes minutes: npm run mutations.
describe('GIVEN the mutations that the named cases must notice', () => {
  test.each(mutations)(
    'THEN "$breaks" fits its source and its case',
    ({ file, from, to, test: name, name: words }) => {
      expect(readFileSync(join(root, file), 'utf8').split(from)).toHaveLength(2)
      expect(to).not.toBe(from)
      const path = join(root, 'test/services', `${name}.test.ts`)
      expect(existsSync(path)).toBe(true)
      const last = words.split(' THEN ').at(-1) ?? ''
      expect(readFileSync(path, 'utf8')).toContain(last.replace(/^GIVEN /, ''))
    },
  )
})
