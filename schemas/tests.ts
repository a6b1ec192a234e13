import type { Resources } from './_lib/kubernetes.ts'

/** Pods of `helm test`. */
export interface Tests {
  /**
   * Create them.
   * @default true
   */
  enabled: boolean
  /** CPU and memory of each. */
  resources: Resources
}

/** Tests. */
export interface TestsValues {
  /** Pods of `helm test`. */
  tests: Tests
}
