import type { Environment, Resources, VolumeMounts } from './_lib/kubernetes.ts'
import type { Quantity } from './_lib/primitives.ts'
import type { Workload } from './_lib/workload.ts'

/**
 * The tool workers. A pod takes one turn at a time and has two containers: the supervisor (`resources`), which speaks with
 * Redis and the API, and the engine, which runs OpenCode and every tool that a model calls, and holds no secret.
 */
export interface Worker extends Workload {
  /** The container that runs the engine and the tools. */
  engine: {
    /** CPU and memory: the greater part of the pod's. */
    resources: Resources
    /**
     * Extra environment variables of the container. Tools do not get them: their environment is built from nothing.
     * @default {}
     */
    extraEnv: Environment
    /**
     * Where `worker.extraVolumes` are mounted in this container, by the volume's name.
     * @default {}
     */
    extraVolumeMounts: VolumeMounts
  }
  /**
   * Disk that a turn's files may take.
   * @default "10Gi"
   */
  workspaceSize: Quantity
}

/** Tool workers. */
export interface WorkerValues {
  /** The tool workers. */
  worker: Worker
}
