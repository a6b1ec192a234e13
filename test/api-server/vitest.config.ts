import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'api-server',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './setup.ts',
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
})
