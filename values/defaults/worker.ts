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
    // Supervisor and engine together: 1 CPU and 1 GiB reserved, 4 CPUs and 4 GiB at most.
    resources: {
      requests: { cpu: '100m', memory: '128Mi' },
      limits: { cpu: '500m', memory: '512Mi' },
    },
    engine: {
      resources: {
        requests: { cpu: '900m', memory: '896Mi', 'ephemeral-storage': '1Gi' },
        limits: { cpu: '3500m', memory: '3584Mi' },
      },
      extraEnv: {},
      extraVolumeMounts: {},
    },
    preStopSleepSeconds: 0,
    drainSeconds: 120,
    terminationGracePeriodSeconds: 150,
    workspaceSize: '10Gi',
  },
}
