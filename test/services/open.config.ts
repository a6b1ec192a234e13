import { defineConfig } from 'vitest/config'
import { open } from './support/open.ts'

export default defineConfig({
  test: {
    name: 'services-open', root: import.meta.dirname, include: [...open], globalSetup: ['support/setup.ts'],
    testTimeout: 300_000, hookTimeout: 600_000, fileParallelism: false, pool: 'forks',
  },
})
