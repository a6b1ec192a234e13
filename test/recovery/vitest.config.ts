import { defineConfig } from 'vitest/config'
import { ByName } from '../cluster/lib/by-name.ts'
import { options } from '../cluster/lib/environment.ts'

// The cluster suite's cluster, with the production profile: a few of the drills, then a rolling update under load.
export default defineConfig({
  test: {
    name: 'recovery',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './setup.ts',
    env: { LOAD_CLUSTER: options.name, LOAD_PORT: String(options.port) },
    fileParallelism: false,
    sequence: { concurrent: false, sequencer: ByName },
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
  },
})
