import type { Duration, Hostname, PositiveCount, Percentage } from './_lib/primitives.ts'

/** Traffic and access rules of an Istio mesh. The namespaces join it by `namespaces.mesh`. */
export interface Istio {
  /**
   * Create them. Istio must be installed.
   * @default false
   */
  enabled: boolean
  /**
   * Gateways, as `<namespace>/<name>`, that the VirtualService answers beside the mesh for all of `hosts`, by any name.
   * @default {}
   */
  gateways: {
    [name: string]: string
  }
  /**
   * Trust domain of the mesh.
   * @default "cluster.local"
   */
  trustDomain: Hostname
  /** Requests with the header `x-api-version: v2` go to pods with the label `opencode.io/api-version: v2`, whatever their release. */
  v2: {
    /**
     * Route them.
     * @default true
     */
    enabled: boolean
  }
  /**
   * Longest time for a read.
   * @default "300s"
   */
  timeout: Duration
  /**
   * Longest time for a write: a turn answers when it is over.
   * @default "3600s"
   */
  turnTimeout: Duration
  /** Attempts after a failure. What has reached a pod is repeated for reads only: a repeated POST would run a turn twice. */
  retries: {
    /**
     * How many.
     * @default 3
     */
    attempts: PositiveCount
    /**
     * Time for each attempt of a read.
     * @default "10s"
     */
    perTryTimeout: Duration
  }
  /** When a pod is left out of the balancing. */
  outlierDetection: {
    /**
     * 502, 503 and 504 in a row.
     * @default 5
     */
    consecutiveGatewayErrors: PositiveCount
    /**
     * Time between two looks.
     * @default "10s"
     */
    interval: Duration
    /**
     * First time out; it grows with every further one.
     * @default "30s"
     */
    baseEjectionTime: Duration
    /**
     * Pods that may be out at once, in per cent.
     * @default 50
     */
    maxEjectionPercent: Percentage
  }
}

/** Istio. */
export interface IstioValues {
  /** Istio's traffic and access rules. */
  istio: Istio
}
