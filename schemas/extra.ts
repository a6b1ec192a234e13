/** A whole Kubernetes object. Strings in it may hold template expressions. */
export interface ExtraObject {
  /** API group and version. */
  apiVersion: string
  /** Kind. */
  kind: string
  /** Name, namespace, labels. */
  metadata: {
    [key: string]: unknown
  }
  [key: string]: unknown
}

/** Objects of the user's own. */
export interface ExtraValues {
  /**
   * Objects to create beside the chart's, by any name. Strings may hold template expressions.
   * @default {}
   */
  extraObjects: {
    [name: string]: ExtraObject
  }
}
