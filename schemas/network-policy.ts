import type { NetworkPeer } from './_lib/kubernetes.ts'
import type { Cidr, Port } from './_lib/primitives.ts'

/** Traffic to addresses that are allowed beyond the release's own. */
export interface AllowedEgress {
  /** Networks or pods. */
  to: NetworkPeer[]
  /**
   * TCP ports; all where it is left out.
   * @itemType Port
   */
  ports?: Port[]
}

/** Where name servers listen. */
export interface NameServers {
  /**
   * Ports, UDP and TCP.
   * @itemType Port
   * @default [53, 5353]
   */
  ports: Port[]
  /** Pods or networks. Empty: any address. */
  to: NetworkPeer[]
}

/** Where the Kubernetes API server listens. */
export interface ApiServer {
  /**
   * TCP ports.
   * @itemType Port
   * @default [443, 6443, 6444, 8443, 16443]
   */
  ports: Port[]
  /**
   * Networks. Empty: any address.
   * @default []
   */
  to: NetworkPeer[]
}

/** NetworkPolicies: each pod may be reached by, and reach, what it needs and nothing else. */
export interface NetworkPolicy {
  /**
   * Create them. They need a network plugin that enforces them: no sandbox becomes ready while it reaches the Kubernetes API server.
   * @default true
   */
  enabled: boolean
  /**
   * Who may reach API and WebSocket handlers. Empty: everyone, since gateways live in any namespace.
   * @default []
   */
  clients: NetworkPeer[]
  /**
   * Who may read metrics. Empty: every pod of the cluster.
   * @default []
   */
  monitoring: NetworkPeer[]
  /**
   * Networks that no pod may reach even where the internet is allowed, such as cloud metadata services.
   * @itemType Cidr
   */
  blockedCidrs: Cidr[]
  /** Name servers: by default kube-dns or CoreDNS, NodeLocal DNSCache and OpenShift's. */
  dns: NameServers
  /** The Kubernetes API server, which only the credentials Job and the API speak with. It has the address of no pod. */
  apiServer: ApiServer
  /**
   * Further egress of the API, by name: private model servers, identity providers.
   * @default {}
   */
  apiEgress: {
    [name: string]: AllowedEgress
  }
}

/** NetworkPolicies. */
export interface NetworkPolicyValues {
  /** NetworkPolicies of every pod. */
  networkPolicy: NetworkPolicy
}
