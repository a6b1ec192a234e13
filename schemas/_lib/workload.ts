import type {
  DisruptionBudget,
  Environment,
  Image,
  OpenObject,
  ProbeTiming,
  Resources,
  Scheduling,
  ServiceAccount,
  StringMap,
  VolumeMounts,
  Volumes,
} from './kubernetes.ts'
import type {
  Cidr,
  Count,
  CountOrPercentage,
  Percentage,
  PositiveCount,
  Quantity,
  Seconds,
} from './primitives.ts'

/** One policy of a HorizontalPodAutoscaler's behaviour. */
export interface ScalingPolicy {
  /** Unit of `value`: pods, or per cent of the present ones. */
  type: 'Pods' | 'Percent'
  /** How many may come or go. */
  value: PositiveCount
  /** In how many seconds. */
  periodSeconds: PositiveCount
}

/** Speed limits in one direction. */
export interface ScalingRules {
  /** Seconds of recommendations to look back on, so that flapping load does not flap pods. */
  stabilizationWindowSeconds: Seconds
  /** Limits. */
  policies: ScalingPolicy[]
  /** Which policy wins. */
  selectPolicy?: 'Max' | 'Min' | 'Disabled'
}

/**
 * Number of pods by load. With `keda.enabled` a ScaledObject does it, otherwise a plain HorizontalPodAutoscaler. A cluster
 * without metrics still gets `minReplicas`: the autoscaler raises to its minimum before it asks for any metric.
 */
export interface Autoscaling {
  /**
   * Let an autoscaler own the number of pods. Where it is off, `replicas` counts.
   * @default true
   */
  enabled: boolean
  /** Lower bound. */
  minReplicas: PositiveCount
  /** Upper bound. */
  maxReplicas: PositiveCount
  /**
   * Average CPU in per cent of the request. Left out: CPU does not count.
   * @default 70
   */
  targetCPUUtilizationPercentage?: Percentage
  /**
   * Average memory in per cent of the request. Left out: memory does not count.
   * @default 80
   */
  targetMemoryUtilizationPercentage?: Percentage
  /**
   * Annotations of the autoscaler, such as KEDA's `autoscaling.keda.sh/paused`.
   * @default {}
   */
  annotations: StringMap
  /** Speed limits. */
  behavior: {
    /** When pods go. */
    scaleDown: ScalingRules
    /** When pods come. */
    scaleUp: ScalingRules
  }
}

/** What users may add to a component's pods. */
export interface PodExtras {
  /**
   * Extra labels of the pods.
   * @default {}
   */
  podLabels: StringMap
  /**
   * Extra annotations of the pods.
   * @default {}
   */
  podAnnotations: StringMap
  /**
   * Extra annotations of the Deployment.
   * @default {}
   */
  annotations: StringMap
  /**
   * Extra environment variables, by name.
   * @default {}
   */
  extraEnv: Environment
  /**
   * Extra volumes of the pod, by name.
   * @default {}
   */
  extraVolumes: Volumes
  /**
   * Where the extra volumes are mounted in the main container, by the volume's name.
   * @default {}
   */
  extraVolumeMounts: VolumeMounts
  /**
   * Extra init containers, by name, each a Kubernetes container without its name.
   * @default {}
   */
  extraInitContainers: {
    [name: string]: OpenObject
  }
}

/** What every stateless component of the service can be told. */
export interface Workload extends PodExtras {
  /** Container image. */
  image: Image
  /** Pods when `autoscaling.enabled` is false. */
  replicas: Count
  /** Number of pods by load. */
  autoscaling: Autoscaling
  /** Rolling update. */
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
  /** Voluntary disruptions. */
  disruptionBudget: DisruptionBudget
  /** CPU and memory of the main container. */
  resources: Resources
  /** When a container is restarted. */
  livenessProbe: ProbeTiming
  /** When a pod gets traffic. */
  readinessProbe: ProbeTiming
  /** Time to start before the liveness probe counts. */
  startupProbe: ProbeTiming
  /** Seconds that a pod goes on serving after it is told to stop, until every proxy has forgotten it. */
  preStopSleepSeconds: Seconds
  /** Seconds that open streams and running work get to end after that. */
  drainSeconds: Seconds
  /** Seconds until Kubernetes kills the pod. At least `preStopSleepSeconds` + `drainSeconds` + 5. */
  terminationGracePeriodSeconds: Seconds
  /**
   * Lowest level of log lines written.
   * @default "info"
   */
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** Where pods may run. */
  scheduling: Scheduling
  /** Security context of the pods; Jobs and tests have the API's. `null` leaves a field to the cluster, as OpenShift wants it. */
  podSecurityContext: OpenObject
  /** Security context of every container of the pods. */
  containerSecurityContext: OpenObject
  /**
   * Disk for temporary files.
   * @default "1Gi"
   */
  tmpSize: Quantity
  /** Account that pods run as. Its token is never mounted. */
  serviceAccount: ServiceAccount
}

/** Service of a component. */
export interface ServiceSettings {
  /**
   * Kind of Service.
   * @default "ClusterIP"
   */
  type: 'ClusterIP' | 'NodePort' | 'LoadBalancer'
  /**
   * Port that clients connect to.
   * @default 80
   */
  port: PositiveCount
  /**
   * Annotations, for cloud load balancers.
   * @default {}
   */
  annotations: StringMap
  /** Whether the Service has addresses of one IP family or of two. The cluster's default where it is left out. */
  ipFamilyPolicy?: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack'
  /** IP families of the Service, the first being its main one. */
  ipFamilies?: ('IPv4' | 'IPv6')[]
  /** Implementation of a Service of type `LoadBalancer`. It cannot be changed later. */
  loadBalancerClass?: string
  /**
   * Networks that may use a Service of type `LoadBalancer`.
   * @itemType Cidr
   */
  loadBalancerSourceRanges?: Cidr[]
}
