import type { ApiValues } from '../../schemas/api.ts'
import { ownRegistry, scalingBehavior, workload } from './common.ts'

export const api: ApiValues = {
  api: {
    ...workload,
    image: { registry: ownRegistry, repository: 'opencode/api', pullPolicy: 'IfNotPresent' },
    replicas: 3,
    autoscaling: {
      enabled: true,
      minReplicas: 3,
      maxReplicas: 50,
      targetCPUUtilizationPercentage: 70,
      targetMemoryUtilizationPercentage: 80,
      annotations: {},
      behavior: scalingBehavior,
    },
    resources: {
      requests: { cpu: '500m', memory: '512Mi' },
      limits: { cpu: '2000m', memory: '2Gi' },
    },
    preStopSleepSeconds: 10,
    drainSeconds: 30,
    terminationGracePeriodSeconds: 60,
    service: { type: 'ClusterIP', port: 80, annotations: {} },
    limits: {
      requestsPerMinute: 600,
      concurrentTurns: 10,
      turnSeconds: 3600,
      bodySize: '32Mi',
      bufferedBodies: '128Mi',
      bodySeconds: 300,
    },
    requestsPerSecond: { enabled: false, target: 100 },
    keepAliveSeconds: 650,
    cors: { origins: {} },
    signIn: { idleSeconds: 43_200, absoluteSeconds: 604_800, trustedProxies: 1 },
    auth: { issuer: 'opencode', audience: 'opencode' },
  },
}
