import { defineConfig } from 'vitest/config'

// Real workerd against real origins on two cores: files one after the other, so that a busy machine is no failure.
export default defineConfig({
  test: {
    name: 'edge-e2e',
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    pool: 'forks',
  },
})
