import type { StringMap } from './_lib/kubernetes.ts'
import type { ObjectName } from './_lib/primitives.ts'

/** Ingresses: one for the API, one for event streams with a cookie that leads a client back to its pod. */
export interface Ingress {
  /**
   * Create them.
   * @default false
   */
  enabled: boolean
  /**
   * Class, for controllers that read the nginx annotations.
   * @default "nginx"
   */
  className: ObjectName
  /**
   * cert-manager issuer of the certificate.
   * @default "letsencrypt-prod"
   */
  clusterIssuer?: ObjectName
  /** TLS. */
  tls: {
    /**
     * Serve the hosts with TLS.
     * @default true
     */
    enabled: boolean
    /**
     * Secret with the certificate of the API's hosts.
     * @default "opencode-tls"
     */
    secretName: ObjectName
    /**
     * Secret with the certificate of the streams' hosts.
     * @default "opencode-events-tls"
     */
    streamsSecretName: ObjectName
  }
  /** Annotations of both with limits and timeouts, for nginx. `null` clears them, for another class. */
  annotations?: StringMap
  /** Further annotations of the streams' Ingress. `null` clears them. */
  streamsAnnotations?: StringMap
}

/** Ingress. */
export interface IngressValues {
  /** Ingresses for controllers that read the nginx annotations. */
  ingress: Ingress
}
