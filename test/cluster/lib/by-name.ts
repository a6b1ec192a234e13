import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files in the order of their names: each starts from what the one before it left. Vitest itself puts failed ones first. */
export class ByName extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve([...files].sort((a, b) => a.moduleId.localeCompare(b.moduleId)))
  }
}
