import type { StringMap } from './_lib/kubernetes.ts'
import type { Duration, LabelName, ObjectName } from './_lib/primitives.ts'
import type { Hosts } from './ingress.ts'

/** HTTPRoutes of the Gateway API, and a Gateway of the release's own where no shared one is named. */
export interface Gateway {
  /** Create the routes. */
  enabled: boolean
  /** Class of the release's own Gateway. */
  className: LabelName
  /** Existing Gateway to attach to. Left out, the release makes its own. */
  parentRef?: {
    /** Its name. */
    name: ObjectName
    /** Its namespace. */
    namespace: LabelName
    /** One listener of it; all where it is left out. */
    sectionName?: ObjectName
  }
  /** Hosts of the API, by any name. Empty: every host that the Gateway listens to. */
  hosts: Hosts
  /** Hosts of the event streams, by any name. */
  eventHosts: Hosts
  /** Longest time for one request. A turn answers when it is over. Streams have no limit. */
  requestTimeout: Duration
  /** Certificates of the release's own Gateway. */
  tls: {
    /** Serve HTTPS and redirect HTTP to it. */
    enabled: boolean
    /** Secret with the certificate. */
    secretName: ObjectName
    /** cert-manager ClusterIssuer that fills the Secret. Left out, it must exist. */
    clusterIssuer?: ObjectName
  }
  /** Annotations of the release's own Gateway. */
  annotations: StringMap
}

/** Gateway API. */
export interface GatewayValues {
  /** Entrance by the Gateway API. */
  gateway: Gateway
}
