import type { HttpUrl, PositiveCount } from './_lib/primitives.ts'

/**
 * Scaling on what a component works through, by KEDA's ScaledObjects. Bounds and speed are those of each component's `autoscaling`;
 * workers follow the open turns, `worker.turnsPerPod` for each pod.
 */
export interface Keda {
  /**
   * Create ScaledObjects in place of HorizontalPodAutoscalers. KEDA must be installed.
   * @default false
   */
  enabled: boolean
  /**
   * Prometheus that answers the triggers' queries.
   * @default "http://prometheus-operated.monitoring.svc:9090"
   */
  prometheusUrl: HttpUrl
  /** What to do while a trigger cannot be read: never fewer pods than there are. */
  fallback: {
    /**
     * Failures in a row.
     * @default 3
     */
    failureThreshold: PositiveCount
  }
  /** WebSocket handlers. */
  websocket: {
    /**
     * Open connections for each pod.
     * @default 500
     */
    connectionsPerPod: PositiveCount
  }
}

/** Event-driven autoscaling. */
export interface KedaValues {
  /** Scaling by KEDA. */
  keda: Keda
}
