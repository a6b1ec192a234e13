import type { StringMap } from './_lib/kubernetes.ts'
import type { ImageRegistry, LabelName, ObjectName } from './_lib/primitives.ts'

/** Secret with registry credentials, as Kubernetes writes it. */
export interface PullSecret {
  /** Name of the Secret. */
  name: ObjectName
}

/** User of an image registry. */
export interface ImageCredential {
  /** Registry host. */
  registry: ImageRegistry
  /** User name. */
  username: string
  /** Password or token. */
  password: string
}

/** Values that a parent chart hands to all its subcharts. Open, because parents put their own keys there. */
export interface Global {
  /** Registry that replaces the registry of every image, for mirrors and air-gapped clusters. */
  imageRegistry?: ImageRegistry
  /**
   * Secrets with registry credentials, added to those of `imagePullSecrets`. They must exist in all three namespaces.
   * @itemType ObjectName
   */
  imagePullSecrets?: (ObjectName | PullSecret)[]
  /** Storage class that replaces the class of every volume. */
  storageClass?: ObjectName
  [key: string]: unknown
}

/** Names, labels and registries. */
export interface GlobalValues {
  /**
   * Values shared with a parent chart.
   * @default {}
   */
  global: Global
  /** Read by a parent chart's `condition`; this chart itself has no use for it. */
  enabled?: boolean
  /** Replaces the chart's name in object names. */
  nameOverride?: LabelName
  /** Replaces the whole prefix of object names. */
  fullnameOverride?: LabelName
  /**
   * Region this release serves; it labels metrics, traces and log lines.
   * @default "local"
   */
  region: LabelName
  /**
   * Labels on every object.
   * @default {}
   */
  commonLabels: StringMap
  /**
   * Annotations on every object.
   * @default {}
   */
  commonAnnotations: StringMap
  /**
   * Secrets with registry credentials, as names or as objects with a name. They must exist in all three namespaces.
   * @itemType ObjectName
   * @default []
   */
  imagePullSecrets: (ObjectName | PullSecret)[]
  /**
   * Registry users by any name. The chart makes a pull Secret of them in all three namespaces, also in those it creates itself.
   * @default {}
   */
  imageCredentials: {
    [name: string]: ImageCredential
  }
}
