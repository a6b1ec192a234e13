import type {
  Count,
  CountOrPercentage,
  EnvironmentName,
  ImageDigest,
  ImageRegistry,
  ImageRepository,
  ImageTag,
  LabelName,
  ObjectName,
  PositiveCount,
  QuantityOrNumber,
  Seconds,
} from './primitives.ts'

/** Free map of strings: labels, annotations, node selectors. */
export interface StringMap {
  [key: string]: string
}

/** Any Kubernetes object fragment, handed through unchanged. */
export interface OpenObject {
  [key: string]: unknown
}

/** Where an image comes from. `global.imageRegistry` replaces the registry of every image. */
export interface Image {
  /** Registry host. */
  registry: ImageRegistry
  /** Repository below the registry. */
  repository: ImageRepository
  /** Tag. The chart's appVersion where it is left out and the image is one of the project's own. */
  tag?: ImageTag
  /** Digest; wins over the tag. */
  digest?: ImageDigest
  /**
   * When the kubelet pulls the image.
   * @default "IfNotPresent"
   */
  pullPolicy: 'IfNotPresent' | 'Always' | 'Never'
}

/** CPU and memory of one container. */
export interface ResourceAmounts {
  /** CPUs: `500m` is half of one. */
  cpu?: QuantityOrNumber
  /** Memory in bytes with a unit: `512Mi`. */
  memory?: QuantityOrNumber
  /** Local disk in bytes with a unit. Left out: 64 MiB are requested, and the limit holds the pod's temporary volumes and 512 MiB. */
  'ephemeral-storage'?: QuantityOrNumber
}

/** What the scheduler reserves for a container, and what it may use at most. */
export interface Resources {
  /** Reserved. */
  requests?: ResourceAmounts
  /** Upper bound. Must not be below the request. */
  limits?: ResourceAmounts
}

/** Timing of a probe; what it asks for is the chart's business. */
export interface ProbeTiming {
  /** Seconds before the first probe. */
  initialDelaySeconds?: Seconds
  /** Seconds between two probes. */
  periodSeconds?: Seconds
  /** Seconds after which a probe without an answer has failed. */
  timeoutSeconds?: Seconds
  /** Failures in a row that make the container unhealthy. */
  failureThreshold?: PositiveCount
  /** Successes in a row that make it healthy again. */
  successThreshold?: PositiveCount
}

/** Lets pods onto nodes with a matching taint. */
export interface Toleration {
  /** Taint key; left out with operator `Exists` it tolerates every taint. */
  key?: string
  /** How key and value are compared. */
  operator?: 'Exists' | 'Equal'
  /** Taint value. */
  value?: string
  /** Which effect is tolerated. */
  effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
  /** Seconds that a NoExecute taint is tolerated. */
  tolerationSeconds?: Seconds
}

/** One requirement of a label selector. */
export interface SelectorRequirement {
  /** Label key. */
  key: string
  /** Relation of the label to the values. */
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  /** Values to compare with. */
  values?: string[]
}

/** Label selector. */
export interface LabelSelector {
  /** Labels that must be there with exactly these values. */
  matchLabels?: StringMap
  /** Further requirements, all of which must hold. */
  matchExpressions?: SelectorRequirement[]
}

/** Where NetworkPolicy traffic may come from or go to. */
export interface NetworkPeer {
  /** Namespaces by label; left out, the policy's own. */
  namespaceSelector?: LabelSelector
  /** Pods by label; left out, all pods of the namespaces. */
  podSelector?: LabelSelector
  /** Addresses instead of pods. */
  ipBlock?: {
    /** Network that is meant. */
    cidr: string
    /** Networks inside it that are not. */
    except?: string[]
  }
}

/**
 * Environment variable beyond what the chart sets: a plain value, or exactly one reference.
 * @minProperties 1
 * @maxProperties 1
 */
export interface EnvironmentSource {
  /** Key of a Secret in the pod's namespace. */
  secretKeyRef?: {
    /** Secret. */
    name: ObjectName
    /** Key in it. */
    key: string
    /** Start without it. */
    optional?: boolean
  }
  /** Key of a ConfigMap in the pod's namespace. */
  configMapKeyRef?: {
    /** ConfigMap. */
    name: ObjectName
    /** Key in it. */
    key: string
    /** Start without it. */
    optional?: boolean
  }
  /** Field of the pod. */
  fieldRef?: {
    /** Path of the field, such as `status.podIP`. */
    fieldPath: string
  }
}

/**
 * Environment variables by name. A string is the value; an object says where to take it from.
 * @propertyType EnvironmentName
 */
export interface Environment {
  [name: string]: string | EnvironmentSource
}

/** Extra volumes by name, each the Kubernetes volume without its name. */
export interface Volumes {
  [name: string]: OpenObject
}

/** Where an extra volume appears in the component's main container. */
export interface VolumeMount {
  /** Absolute path in the container. */
  mountPath: string
  /** Path in the volume. */
  subPath?: string
  /** Mounted read-only. */
  readOnly?: boolean
}

/** Mounts of the extra volumes, by the volume's name. */
export interface VolumeMounts {
  [volume: string]: VolumeMount
}

/** Account that pods run as. */
export interface ServiceAccount {
  /**
   * Create it.
   * @default true
   */
  create: boolean
  /** Its name; the component's full name where it is left out. */
  name?: ObjectName
  /**
   * Annotations, for cloud identities.
   * @default {}
   */
  annotations: StringMap
}

/** How many pods may be away at once during voluntary disruptions. */
export interface DisruptionBudget {
  /**
   * Create a PodDisruptionBudget.
   * @default true
   */
  enabled: boolean
  /**
   * Pods that may be away. An upper bound never blocks the drain of a single-replica component, a lower bound does.
   * @default 1
   */
  maxUnavailable: CountOrPercentage
}

/** How pods of a component are spread over the cluster. */
export interface Spread {
  /** Keep pods of the component off each other's nodes. */
  nodes: 'none' | 'preferred' | 'required'
  /** What to do when zones cannot be balanced; `none` leaves zones out. */
  zones: 'none' | 'ScheduleAnyway' | 'DoNotSchedule'
}

/** Where pods may run that an operator makes. */
export interface OperatorScheduling {
  /** Labels that a node must have. */
  nodeSelector: StringMap
  /**
   * Taints that pods tolerate, beside the two of `unreachableSeconds`.
   * @default []
   */
  tolerations: Toleration[]
  /** Spreading over nodes and zones. */
  spread: Spread
  /** Kubernetes topology spread constraints that replace the one made from `spread.zones`. */
  topologySpreadConstraints?: OpenObject[]
  /** Kubernetes affinity that replaces the one made from `spread.nodes`. */
  affinity?: OpenObject
  /**
   * Seconds after which pods leave a node that is not ready or unreachable. Kubernetes' own default is 300.
   * @default 30
   */
  unreachableSeconds: Seconds
  /** Priority class. */
  priorityClassName?: ObjectName
}

/** Where pods may run. */
export interface Scheduling extends OperatorScheduling {
  /** Runtime class, such as `gvisor`. */
  runtimeClassName?: ObjectName
  /** `false` gives pods their own user namespace. Left to the cluster where it is left out. */
  hostUsers?: boolean
}

/** A volume that is claimed for each pod. */
export interface VolumeClaim {
  /** Size of the volume. */
  size: QuantityOrNumber
  /** Storage class; the cluster's default where it is left out. */
  storageClass?: ObjectName
}

/** Storage of a StatefulSet's pods. */
export interface Persistence extends VolumeClaim {
  /**
   * Keep data on a volume. Without it, data goes with the pod.
   * @default true
   */
  enabled: boolean
}

/** Storage of a single pod. */
export interface EmbeddedPersistence extends Persistence {
  /** Claim that is there already; size and class are its own. */
  existingClaim?: ObjectName
}

export type { Count, EnvironmentName, LabelName }
