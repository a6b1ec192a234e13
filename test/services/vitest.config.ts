import { defineConfig } from 'vitest/config'
import { open } from './support/open.ts'

// Real servers and a real engine on two cores: files one after the other, so that a busy machine is no failure.
export default defineConfig({
  test: {
    name: 'services', root: import.meta.dirname, include: ['**/*.test.ts'],
    // Do not hold yet; by hand: npx vitest run --config test/services/open.config.ts
    exclude: [...open], globalSetup: ['support/setup.ts'],
    testTimeout: 300_000, hookTimeout: 600_000, fileParallelism: false, pool: 'forks',
  },
})
