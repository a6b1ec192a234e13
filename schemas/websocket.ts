import type { ServiceSettings, Workload } from './_lib/workload.ts'

/** The WebSocket handlers: the same events as the API's streams, scaled on open connections. */
export interface Websocket extends Workload {
  /**
   * Run them.
   * @default true
   */
  enabled: boolean
  /** Service in front of the pods. */
  service: ServiceSettings
}

/** WebSocket handlers. */
export interface WebsocketValues {
  /** The WebSocket handlers. */
  websocket: Websocket
}
