import { defineConfig } from 'vitest/config'
import { ByName } from './lib/by-name.ts'

export default defineConfig({
  test: {
    name: 'cluster',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './lib/setup.ts',
    fileParallelism: false,
    sequence: { concurrent: false, sequencer: ByName },
    testTimeout: 600_000,
    hookTimeout: 900_000,
  },
})
