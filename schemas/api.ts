import type { PositiveCount, Quantity, Seconds } from './_lib/primitives.ts'
import type { ServiceSettings, Workload } from './_lib/workload.ts'

/** The stateless HTTP API: OpenCode's own interface in front of PostgreSQL, the queue and the model providers. */
export interface Api extends Workload {
  /** Service in front of the pods. */
  service: ServiceSettings
  /** Limits that protect tenants from each other. */
  limits: {
    /**
     * Requests that one tenant may make in a minute.
     * @default 600
     */
    requestsPerMinute: PositiveCount
    /**
     * Turns that one tenant may have running at once.
     * @default 10
     */
    concurrentTurns: PositiveCount
    /**
     * Longest time a turn may take, in seconds.
     * @default 3600
     */
    turnSeconds: Seconds
    /**
     * Largest request body, in bytes with a unit.
     * @default "100Mi"
     */
    bodySize: Quantity
    /**
     * Largest compressed workspace that follows a session from worker to worker, in bytes with a unit.
     * @default "256Mi"
     */
    workspaceSnapshot: Quantity
  }
  /**
   * Scale the plain HorizontalPodAutoscaler on `http_requests_per_second` too. Needs an adapter that serves the metric on the
   * custom metrics API; without one the autoscaler would not scale up on CPU and memory any less, but never down.
   */
  requestsPerSecond: {
    /**
     * Ask the custom metrics API.
     * @default false
     */
    enabled: boolean
    /**
     * Requests a second and pod to aim at; also the target of the KEDA trigger.
     * @default 100
     */
    target: PositiveCount
  }
  /** Checks of JSON Web Tokens. */
  auth: {
    /**
     * `iss` that tokens must carry.
     * @default "opencode"
     */
    issuer: string
    /**
     * `aud` that tokens must carry.
     * @default "opencode"
     */
    audience: string
    /** Key set of an identity provider (RS256, ES256), used beside the shared secret. */
    jwksUrl?: string
  }
}

/** HTTP API. */
export interface ApiValues {
  /** The stateless HTTP API. */
  api: Api
}
