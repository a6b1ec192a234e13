import { defineConfig } from 'vitest/config'

// Run by hand, with a production cluster up: npx vitest run --config test/delivery/delivery.config.ts. Not part of npm test.
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
