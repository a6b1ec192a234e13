import type { StringMap } from './_lib/kubernetes.ts'
import type { Duration, HttpUrl, LabelName } from './_lib/primitives.ts'

/** Metrics, alerts and dashboards. */
export interface Monitoring {
  /**
   * Create PodMonitors. The Prometheus operator must be installed. Where it is off, pods carry scrape annotations instead.
   * @default false
   */
  enabled: boolean
  /**
   * Time between two scrapes.
   * @default "30s"
   */
  interval: Duration
  /**
   * Labels by which the Prometheus object picks monitors and rules.
   * @default {}
   */
  labels: StringMap
  /** Recording rules and alerts. */
  rules: {
    /**
     * Create the PrometheusRule.
     * @default false
     */
    enabled: boolean
    /**
     * Share of requests that must not end in a server error over 30 days, in per cent.
     * @minimum 90
     * @maximum 99.999
     * @default 99.9
     */
    availabilityObjective: number
    /**
     * Where the runbooks are; each alert adds `/<alert>.md`.
     * @default "https://github.com/opencode/deploy/blob/main/docs/runbooks"
     */
    runbookUrl: HttpUrl
    /**
     * Labels added to every alert.
     * @default {}
     */
    alertLabels: StringMap
  }
  /** Grafana dashboards as a ConfigMap that Grafana's sidecar reads. */
  dashboards: {
    /**
     * Create the ConfigMap.
     * @default false
     */
    enabled: boolean
    /** Labels by which the sidecar finds it. */
    labels: StringMap
    /** Namespace of the ConfigMap; the release's where it is left out. */
    namespace?: LabelName
  }
}

/** Monitoring. */
export interface MonitoringValues {
  /** Metrics, alerts and dashboards. */
  monitoring: Monitoring
}
