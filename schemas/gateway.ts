import type { StringMap } from './_lib/kubernetes.ts'
import type { Duration, LabelName, ObjectName, Port } from './_lib/primitives.ts'

/** A Gateway that is there already. */
export interface GatewayReference {
  /** Its name. */
  name: ObjectName
  /** Its namespace; the release's own where it is left out. */
  namespace?: LabelName
  /** One of its listeners; all that allow the route where it is left out. */
  sectionName?: LabelName
}

/** Routes of the Gateway API. Needs its CRDs and an implementation, such as Envoy Gateway or Istio. */
export interface Gateway {
  /**
   * Create HTTPRoutes.
   * @default false
   */
  enabled: boolean
  /** Gateway that the routes attach to. Left out, the chart creates one. */
  parent?: GatewayReference
  /**
   * Class of the Gateway that the chart creates.
   * @default "envoy"
   */
  className: ObjectName
  /**
   * Annotations of the Gateway that the chart creates: `cert-manager.io/cluster-issuer` gets its certificate.
   * @default {}
   */
  annotations: StringMap
  /** TLS of the Gateway that the chart creates. */
  tls: {
    /**
     * Listen on `port` with TLS; without it, on port 80 in clear.
     * @default true
     */
    enabled: boolean
    /**
     * Port.
     * @default 443
     */
    port: Port
    /**
     * Secret with the certificate.
     * @default "opencode-tls"
     */
    secretName: ObjectName
  }
  /**
   * Time limit of a request that is no stream. A turn may take long, and its answer comes when it is over.
   * @default "3600s"
   */
  requestTimeout: Duration
  /** Requests with the header `x-api-version: v2` go to pods with the label `opencode.io/api-version: v2`, whatever their release. */
  v2: {
    /**
     * Route them.
     * @default false
     */
    enabled: boolean
  }
}

/** Gateway API. */
export interface GatewayValues {
  /** Routes of the Gateway API. */
  gateway: Gateway
}
