import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { defineConfig } from 'vitest/config'

/** Files in the order of their names: each starts from what the one before it left. Vitest itself puts failed ones first. */
class ByName extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve([...files].sort((a, b) => a.moduleId.localeCompare(b.moduleId)))
  }
}

export default defineConfig({
  test: {
    name: 'cluster',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: './lib/setup.ts',
    fileParallelism: false,
    sequence: { concurrent: false, sequencer: ByName },
    testTimeout: 600_000,
    hookTimeout: 900_000,
  },
})
