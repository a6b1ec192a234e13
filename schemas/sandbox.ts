import type {
  Environment,
  Image,
  OpenObject,
  ProbeTiming,
  Resources,
  Scheduling,
  ServiceAccount,
  VolumeMounts,
} from './_lib/kubernetes.ts'
import type { PodExtras } from './_lib/workload.ts'
import type { Count, CountOrPercentage, HostAndPort, Quantity, Seconds } from './_lib/primitives.ts'

/**
 * The sandboxes: a pod runs the OpenCode engine and every tool that a model calls, for one session from the moment it is given to it
 * until it is ended. It holds no secret and opens no connection.
 */
export interface Sandbox extends PodExtras {
  /** Container image. */
  image: Image
  /** Sandboxes that wait for a session. */
  pool: {
    /**
     * How many are kept ready, each with a started engine. One that is given to a session is replaced at once.
     * @default 2
     */
    replicas: Count
  }
  /**
   * Seconds after its last turn until a session's sandbox is ended. Its next turn is then restored into another one.
   * @default 600
   */
  idleSeconds: Seconds
  /**
   * Seconds after which a sandbox is ended between two turns, whatever it does.
   * @default 86400
   */
  maxAgeSeconds: Seconds
  /**
   * Sandboxes that may belong to sessions at once; past it the longest idle one goes, and turns wait where none is idle. 0: no limit.
   * @default 0
   */
  maxAwake: Count
  /** CPU, memory and local disk that one session's engine and tools may use: the design document's numbers for tool workers. */
  resources: Resources
  /** Files of a session. */
  workspace: {
    /**
     * Disk that they may take. A turn that leaves more than 95 % of it used ends with 413, and the state before it is kept; past all of
     * it the kubelet evicts the pod.
     * @default "10Gi"
     */
    sizeLimit: Quantity
    /**
     * Files, directories and links that a turn may leave behind; past it the turn ends with 413.
     * @default 1000000
     */
    entries: Count
  }
  /** Temporary files, and the engine's own in its home. */
  tmp: {
    /**
     * Disk that each of the two may take.
     * @default "1Gi"
     */
    sizeLimit: Quantity
  }
  /** `/dev/shm`. */
  sharedMemory: {
    /**
     * Memory that it may take, out of the container's.
     * @default "64Mi"
     */
    sizeLimit: Quantity
  }
  /**
   * Addresses that a sandbox tries to reach, by any name, beside the Kubernetes API server. It becomes ready only after all of them were
   * out of its reach. Addresses, not names: it knows no name server.
   * @itemType HostAndPort
   */
  forbiddenTargets: {
    [name: string]: HostAndPort
  }
  /** Rolling update of the pool. Sandboxes that belong to sessions stay. */
  rollingUpdate: {
    /**
     * Pods above the wanted number during an update.
     * @default 1
     */
    maxSurge: CountOrPercentage
    /**
     * Pods below the wanted number during an update.
     * @default 0
     */
    maxUnavailable: CountOrPercentage
  }
  /** When a container is restarted. */
  livenessProbe: ProbeTiming
  /** When a pod may be given to a session. */
  readinessProbe: ProbeTiming
  /** Time to start before the liveness probe counts. */
  startupProbe: ProbeTiming
  /** Seconds that a sandbox has between the order to stop and its end, for the state of a turn that is under way. */
  terminationGracePeriodSeconds: Seconds
  /** Where pods may run: nodes of their own, `runtimeClassName` (gVisor, Kata) and `hostUsers: false` make the walls stronger. */
  scheduling: Scheduling
  /** Security context of the pods. `null` leaves a field to the cluster, as OpenShift wants it. */
  podSecurityContext: OpenObject
  /** Security context of every container of the pods. */
  containerSecurityContext: OpenObject
  /** Account that pods run as. It may do nothing, and its token is never mounted. */
  serviceAccount: ServiceAccount
  /**
   * Extra environment variables of the container. The engine and its tools do not get them: their environment is built from nothing.
   * @default {}
   */
  extraEnv: Environment
  /**
   * Where the extra volumes are mounted, by the volume's name. Tools see them, and what is written there outlives the sandbox.
   * @default {}
   */
  extraVolumeMounts: VolumeMounts
}

/** Sandboxes. */
export interface SandboxValues {
  /** The sandboxes, where engine and tools run. */
  sandbox: Sandbox
}
