import { defineConfig } from 'vitest/config'

// Real servers and a real engine on two cores: files one after the other, so that a busy machine is no failure.
export default defineConfig({
  test: {
    name: 'services', root: import.meta.dirname, include: ['**/*.test.ts'], globalSetup: ['support/setup.ts'],
    testTimeout: 300_000, hookTimeout: 600_000, fileParallelism: false, pool: 'forks',
  },
})
