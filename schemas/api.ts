import type { Count, Origin, PositiveCount, Quantity, Seconds } from './_lib/primitives.ts'
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
     * Largest request body that carries files, in bytes with a unit; all other bodies may have 1 MiB. Every hop holds it in
     * memory: an Ingress's own limit must not be below it, and the worker's memory must follow it.
     * @default "32Mi"
     */
    bodySize: Quantity
    /**
     * Request bodies that a pod holds in memory at once, in bytes with a unit. Past it clients get 503; one tenant may have half.
     * @default "128Mi"
     */
    bufferedBodies: Quantity
    /**
     * Longest time for receiving a request with its body, in seconds. An answer may take as long as its turn.
     * @default 300
     */
    bodySeconds: Seconds
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
  /**
   * Time that an idle connection is kept open, in seconds. Longer than the load balancer in front keeps it, or it sends a request
   * on a connection that is just being closed: AWS 60, Azure 240, Google Cloud 600.
   * @default 650
   */
  keepAliveSeconds: Seconds
  /** Web pages of other origins. */
  cors: {
    /**
     * Origins whose pages may call the API, by any name, such as `https://app.example.com`. Empty: none.
     * @itemType Origin
     * @default {}
     */
    origins: {
      [name: string]: Origin
    }
  }
  /**
   * Address at which browsers reach the API, for sign-in links, such as `https://opencode.example.com`. Default: the first of
   * `hosts` that is not for streams only, with https, or the port-forward `http://127.0.0.1:3000`.
   */
  publicUrl?: Origin
  /** Browsers that are signed in. */
  signIn: {
    /**
     * A browser is signed out when it was not used for so many seconds.
     * @default 43200
     */
    idleSeconds: PositiveCount
    /**
     * A browser is signed out so many seconds after it signed in.
     * @default 604800
     */
    absoluteSeconds: PositiveCount
    /**
     * Proxies in front of the API that each append the address they see to `X-Forwarded-For`: the audit's addresses are the
     * outermost one's. 0 where clients connect directly.
     * @default 1
     */
    trustedProxies: Count
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
