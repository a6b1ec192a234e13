import type { StringMap } from './_lib/kubernetes.ts'
import type { Hostname, LabelName, ObjectName, PositiveCount, Seconds } from './_lib/primitives.ts'

/**
 * Host names by any name.
 * @itemType Hostname
 */
export interface Hosts {
  [name: string]: Hostname
}

/** Ingress objects for controllers that read the nginx annotations (ingress-nginx, Traefik's compatible provider). */
export interface Ingress {
  /** Create them. */
  enabled: boolean
  /** Ingress class. */
  className: LabelName
  /** Hosts of the API, by any name. */
  hosts: Hosts
  /** Hosts of the event streams, by any name. They get cookie affinity. */
  eventHosts: Hosts
  /**
   * Largest request body, as nginx writes it.
   * @pattern ^[0-9]+[kmg]?$
   */
  bodySize: string
  /** Seconds without a byte after which a connection is cut. */
  timeoutSeconds: Seconds
  /** Affinity of event streams: an optimisation, any pod can serve any session. */
  cookie: {
    /** Name of the cookie. */
    name: LabelName
    /** Seconds it lives. */
    maxAgeSeconds: PositiveCount
  }
  /** Certificates. */
  tls: {
    /** Serve HTTPS. */
    enabled: boolean
    /** Secret with the API's certificate; that of the event streams has `-events` behind it. */
    secretName: ObjectName
    /** cert-manager ClusterIssuer that fills the Secrets. Left out, they must exist. */
    clusterIssuer?: ObjectName
  }
  /** Further annotations of both objects. */
  annotations: StringMap
}

/** Ingress. */
export interface IngressValues {
  /** Entrance by Ingress. */
  ingress: Ingress
}
