import { defineConfig } from 'vitest/config'

// The cluster suite's cluster, with the production profile: a rolling update under load, and a few of the drills.
export default defineConfig({
  test: {
    name: 'recovery',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './setup.ts',
    env: { LOAD_CLUSTER: 'opencode-test', LOAD_PORT: '8090' },
    fileParallelism: false,
    sequence: { concurrent: false },
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
  },
})
