import { defineConfig } from 'vitest/config'

// Real servers and a real engine, which mostly wait: two files at a time, each with servers of its own.
export default defineConfig({
  test: {
    name: 'services',
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['support/setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
    pool: 'forks',
  },
})
