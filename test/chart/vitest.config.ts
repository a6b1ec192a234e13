import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'chart',
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['lib/setup.ts'],
    // Two cores: two files at a time, each rendering one case at a time.
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
