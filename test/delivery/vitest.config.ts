import { defineConfig } from 'vitest/config'

// One cluster and one release: one delivery at a time.
export default defineConfig({
  test: {
    name: 'delivery',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: '../load/setup.ts',
    fileParallelism: false,
    sequence: { concurrent: false },
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
})
