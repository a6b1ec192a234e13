import type { WebsocketValues } from '../../schemas/websocket.ts'
import { ownRegistry, scalingBehavior, workload } from './common.ts'

export const websocket: WebsocketValues = {
  websocket: {
    ...workload,
    enabled: true,
    image: { registry: ownRegistry, repository: 'opencode/websocket', pullPolicy: 'IfNotPresent' },
    replicas: 2,
    autoscaling: {
      enabled: true,
      minReplicas: 2,
      maxReplicas: 20,
      targetCPUUtilizationPercentage: 70,
      targetMemoryUtilizationPercentage: 80,
      annotations: {},
      behavior: scalingBehavior,
    },
    resources: {
      requests: { cpu: '250m', memory: '256Mi' },
      limits: { cpu: '1000m', memory: '1Gi' },
    },
    preStopSleepSeconds: 10,
    drainSeconds: 30,
    terminationGracePeriodSeconds: 60,
    service: { type: 'ClusterIP', port: 80, annotations: {} },
  },
}
