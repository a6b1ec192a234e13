import type { Overlay } from '../../../schemas/index.ts'

/** A release inside a mesh. */
export const mesh = {
  istio: { enabled: true },
  namespaces: { mesh: 'sidecar', main: { create: true } },
} as const satisfies Overlay

/** The same behind its mesh's gateway. */
export const behindGateway = {
  ...mesh,
  istio: { ...mesh.istio, gateways: { public: 'istio-ingress/public' } },
  hosts: {
    api: { host: 'api.opencode.io', streams: false },
    events: { host: 'events.opencode.io', streams: true },
  },
} as const satisfies Overlay

/** The same with a canary. */
export const withCanary = {
  ...behindGateway,
  rollouts: { enabled: true, strategy: 'canary', canary: { trafficRouting: 'istio' } },
} as const satisfies Overlay
