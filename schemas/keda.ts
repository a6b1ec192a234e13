import type { HttpUrl, PositiveCount, Seconds } from './_lib/primitives.ts'

/** Scaling on what a component works through, by KEDA's ScaledObjects. Bounds and speed are those of each component's `autoscaling`. */
export interface Keda {
  /** Create ScaledObjects in place of HorizontalPodAutoscalers. KEDA must be installed. */
  enabled: boolean
  /** Seconds between two looks at the triggers. */
  pollingIntervalSeconds: Seconds
  /** Prometheus that answers the triggers' queries. */
  prometheusUrl: HttpUrl
  /** What to do while a trigger cannot be read: never fewer pods than there are. */
  fallback: {
    /** Failures in a row. */
    failureThreshold: PositiveCount
  }
  /** Tool workers. */
  worker: {
    /** Turns, waiting or running, for each pod. A pod runs one at a time. */
    turnsPerPod: PositiveCount
  }
  /** WebSocket handlers. */
  websocket: {
    /** Open connections for each pod. */
    connectionsPerPod: PositiveCount
  }
}

/** Event-driven autoscaling. */
export interface KedaValues {
  /** Scaling by KEDA. */
  keda: Keda
}
