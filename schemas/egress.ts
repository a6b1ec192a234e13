import type { HttpUrl, ObjectName } from './_lib/primitives.ts'

/** What leaves the cluster from the API and the WebSocket handlers: model calls, keys of an identity provider, traces. */
export interface Egress {
  /**
   * Proxy for HTTPS and HTTP, such as `http://proxy.example.com:3128`. One with a password: leave this out, and set `HTTPS_PROXY`,
   * `HTTP_PROXY` and, for traces, `NODE_USE_ENV_PROXY: "1"` in `extraEnv`.
   */
  proxy?: HttpUrl
  /**
   * Hosts and domains that are reached without it, beside the cluster's own.
   * @default []
   */
  noProxy: string[]
  /**
   * ConfigMap with certificate authorities under `ca.crt`, PEM, that are trusted beside the public ones, for every connection. In the
   * release's namespace.
   */
  caConfigMap?: ObjectName
}

/** Calls that leave the cluster. */
export interface EgressValues {
  /** Proxy and private certificate authorities of calls that leave the cluster. */
  egress: Egress
}
