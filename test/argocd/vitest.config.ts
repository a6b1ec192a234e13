import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'argocd',
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['../chart/lib/setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
