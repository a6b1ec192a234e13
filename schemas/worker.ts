import type { PositiveCount } from './_lib/primitives.ts'
import type { Workload } from './_lib/workload.ts'

/**
 * The tool workers: the queue's consumers, `WORKER_TYPE=tool-execution`. A worker runs nothing that a model has written. It takes many
 * turns at once, each in a sandbox of its own, and moves their bytes. Queue depth, 2 to 20 pods and `REDIS_URL` of the design document are
 * theirs; its numbers for CPU, memory and disk are those of `sandbox`.
 */
export interface Worker extends Workload {
  /**
   * Turns that a pod has under way at once; also what KEDA aims at.
   * @default 20
   */
  turnsPerPod: PositiveCount
}

/** Tool workers. */
export interface WorkerValues {
  /** The tool workers. */
  worker: Worker
}
