import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'istio',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './setup.ts',
    testTimeout: 120_000,
  },
})
