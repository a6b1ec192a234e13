import type {
  Count,
  Duration,
  HttpUrl,
  Percentage,
  PositiveCount,
  Seconds,
} from './_lib/primitives.ts'

/** One step of a canary: move traffic, then wait. */
export interface CanaryStep {
  /**
   * Share of the traffic that the new version gets, in per cent.
   * @minimum 0
   * @maximum 100
   * @TJS-type integer
   */
  setWeight?: number
  /** How long to stay there; an empty object waits for a person. */
  pause?: {
    /** Time. */
    duration?: Duration
  }
}

/** Progressive delivery of the API by Argo Rollouts. The Rollout takes over the Deployment's pods; autoscaler and PDB follow it. */
export interface Rollouts {
  /**
   * Create the Rollout. Argo Rollouts must be installed.
   * @default false
   */
  enabled: boolean
  /**
   * How a new version gets its traffic.
   * @default "blueGreen"
   */
  strategy: 'blueGreen' | 'canary'
  /** Two whole versions, switched at once. */
  blueGreen: {
    /**
     * Pods of the new version before it is promoted.
     * @default 2
     */
    previewReplicaCount: PositiveCount
    /**
     * Seconds that the old version stays after the switch.
     * @default 30
     */
    scaleDownDelaySeconds: Seconds
    /**
     * Switch without a person's word.
     * @default false
     */
    autoPromotionEnabled: boolean
  }
  /** The new version beside the old one, with a growing share of the traffic. */
  canary: {
    /** Steps in order. */
    steps: CanaryStep[]
    /**
     * Step, counted from 0, at which the analysis begins.
     * @default 1
     */
    analysisStartingStep: Count
    /**
     * What splits the traffic. `none` can only round to whole pods.
     * @default "none"
     */
    trafficRouting: 'istio' | 'gateway' | 'none'
  }
  /** Proof that the new version works. */
  analysis: {
    /**
     * Prometheus that answers the success rate.
     * @default "http://prometheus-operated.monitoring.svc:9090"
     */
    prometheusUrl: HttpUrl
    /**
     * Share of requests that must not end in a server error, in per cent.
     * @default 99
     */
    successRatePercentage: Percentage
    /**
     * Time between two measurements.
     * @default "1m"
     */
    interval: Duration
    /**
     * Measurements that end the analysis of a blue-green switch.
     * @default 5
     */
    count: PositiveCount
    /**
     * Failed measurements that abort.
     * @default 2
     */
    failureLimit: Count
  }
}

/** Progressive delivery. */
export interface RolloutsValues {
  /** Argo Rollouts. */
  rollouts: Rollouts
}
