import type { WorkerValues } from '../../schemas/worker.ts'
import { ownRegistry, scalingBehavior, workload } from './common.ts'

export const worker: WorkerValues = {
  worker: {
    ...workload,
    image: { registry: ownRegistry, repository: 'opencode/worker', pullPolicy: 'IfNotPresent' },
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
    turnsPerPod: 20,
    resources: {
      requests: { cpu: '250m', memory: '256Mi' },
      limits: { cpu: '1000m', memory: '1Gi' },
    },
    preStopSleepSeconds: 0,
    drainSeconds: 120,
    terminationGracePeriodSeconds: 150,
  },
}
