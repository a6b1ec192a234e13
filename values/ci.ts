import type { Overlay } from '../schemas/index.ts'
import { kind } from './kind.ts'

/** Namespaces of their own: `ct install` does not wait until those of the install before are gone. */
const apart = (name: string): NonNullable<Overlay['namespaces']> => ({
  workers: { name: `opencode-workers-${name}` },
  sandboxes: { name: `opencode-sandboxes-${name}` },
})

/** What chart-testing lints and installs on a cluster without any operator: one file each in chart/ci. */
export const ciOverlays: Readonly<Record<string, Overlay>> = {
  kind: { ...kind, namespaces: apart('kind') },
  ingress: {
    ...kind,
    namespaces: apart('ingress'),
    ingress: { enabled: true, tls: { enabled: false } },
    hosts: {
      api: { host: 'api.example.com', streams: false },
      events: { host: 'events.example.com', streams: true },
    },
  },
  small: {
    ...kind,
    namespaces: apart('small'),
    fullnameOverride: 'oc',
    websocket: { enabled: false },
    postgres: { embedded: { persistence: { enabled: false } } },
    redis: { embedded: { persistence: { enabled: false } } },
  },
}
