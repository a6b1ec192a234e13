import type { Hostname } from './_lib/primitives.ts'

/** One public host name. */
export interface PublicHost {
  /** The name, without scheme. */
  host: Hostname
  /** Event streams and WebSockets only: such hosts get no time limit, and a cookie that leads a client back to its pod. */
  streams: boolean
}

/** Public host names by any name, for the Gateway and the Ingress alike. Empty: every name is answered. */
export interface HostsValues {
  /**
   * Public host names by any name, for the Gateway and the Ingress alike. Empty: every name is answered.
   * @default {}
   */
  hosts: {
    [name: string]: PublicHost
  }
}
