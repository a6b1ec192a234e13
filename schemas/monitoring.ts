import type { StringMap } from './_lib/kubernetes.ts'
import type { Duration, HttpUrl, LabelName } from './_lib/primitives.ts'

/** Metrics, alerts and dashboards. */
export interface Monitoring {
  /** Create PodMonitors. The Prometheus operator must be installed. Where it is off, pods carry scrape annotations instead. */
  enabled: boolean
  /** Time between two scrapes. */
  interval: Duration
  /** Labels by which the Prometheus object picks monitors and rules. */
  labels: StringMap
  /** Recording rules and alerts. */
  rules: {
    /** Create the PrometheusRule. */
    enabled: boolean
    /**
     * Share of requests that must not end in a server error over 30 days, in per cent.
     * @minimum 90
     * @maximum 99.999
     */
    availabilityObjective: number
    /** Where the runbooks are; each alert adds `/<alert>.md`. */
    runbookUrl: HttpUrl
    /** Labels added to every alert. */
    alertLabels: StringMap
  }
  /** Grafana dashboards as a ConfigMap that Grafana's sidecar reads. */
  dashboards: {
    /** Create the ConfigMap. */
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
