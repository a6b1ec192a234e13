import { defineConfig } from 'vitest/config'

// One cluster, one set of pods: each case has the policies to itself.
export default defineConfig({
  test: {
    name: 'network-policy',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './lib/setup.ts',
    fileParallelism: false,
    sequence: { concurrent: false },
    testTimeout: 90_000,
    hookTimeout: 300_000,
  },
})
