import { defineConfig } from 'vitest/config'

// One cluster for the whole suite, files one after the other: each starts from what the one before it left.
export default defineConfig({
  test: {
    name: 'cluster',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './lib/setup.ts',
    fileParallelism: false,
    sequence: { concurrent: false },
    testTimeout: 600_000,
    hookTimeout: 900_000,
  },
})
