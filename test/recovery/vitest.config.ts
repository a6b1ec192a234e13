import { defineConfig } from 'vitest/config'
import { ByName } from '../cluster/lib/by-name.ts'

// The cluster suite's cluster, with the production profile: a few of the drills, then a rolling update under load.
export default defineConfig({
  test: {
    name: 'recovery',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './setup.ts',
    env: { LOAD_CLUSTER: 'opencode-test', LOAD_PORT: '8090' },
    fileParallelism: false,
    sequence: { concurrent: false, sequencer: ByName },
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
  },
})
