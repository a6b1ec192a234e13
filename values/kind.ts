import type { Overlay } from '../schemas/index.ts'

const onePod = { enabled: false } as const

/** A small local cluster: one pod a component, requests that two cores hold, the scripted model. */
export const kind: Overlay = {
  region: 'local',
  api: {
    replicas: 1,
    autoscaling: onePod,
    resources: {
      requests: { cpu: '50m', memory: '128Mi' },
      limits: { cpu: '2000m', memory: '512Mi' },
    },
  },
  worker: {
    replicas: 1,
    autoscaling: onePod,
    resources: {
      requests: { cpu: '20m', memory: '96Mi' },
      limits: { cpu: '1000m', memory: '512Mi' },
    },
  },
  // Beside the one that waits there are those of sessions, each of which has 10 minutes after its last turn.
  sandbox: {
    pool: { replicas: 1 },
    maxAwake: 8,
    resources: {
      requests: { cpu: '50m', memory: '384Mi', 'ephemeral-storage': '256Mi' },
      limits: { cpu: '2000m', memory: '2Gi' },
    },
    workspace: { sizeLimit: '2Gi' },
    tmp: { sizeLimit: '512Mi' },
  },
  websocket: {
    replicas: 1,
    autoscaling: onePod,
    resources: {
      requests: { cpu: '20m', memory: '64Mi' },
      limits: { cpu: '1000m', memory: '256Mi' },
    },
  },
  postgres: {
    embedded: {
      resources: {
        requests: { cpu: '50m', memory: '128Mi' },
        limits: { cpu: '1000m', memory: '512Mi' },
      },
      persistence: { size: '1Gi' },
    },
  },
  redis: {
    embedded: {
      resources: {
        requests: { cpu: '20m', memory: '32Mi' },
        limits: { cpu: '500m', memory: '256Mi' },
      },
      persistence: { size: '1Gi' },
    },
  },
  migration: {
    resources: {
      requests: { cpu: '20m', memory: '64Mi' },
      limits: { cpu: '500m', memory: '256Mi' },
    },
  },
}
