import type { SandboxValues } from '../../schemas/sandbox.ts'
import { ownRegistry, podExtras, workload } from './common.ts'

export const sandbox: SandboxValues = {
  sandbox: {
    image: { registry: ownRegistry, repository: 'opencode/sandbox', pullPolicy: 'IfNotPresent' },
    pool: { replicas: 2 },
    idleSeconds: 600,
    maxAgeSeconds: 86_400,
    maxAwake: 0,
    resources: {
      requests: { cpu: '1000m', memory: '1Gi', 'ephemeral-storage': '1Gi' },
      limits: { cpu: '4000m', memory: '4Gi' },
    },
    workspace: { sizeLimit: '10Gi', entries: 1_000_000 },
    tmp: { sizeLimit: '1Gi' },
    sharedMemory: { sizeLimit: '64Mi' },
    forbiddenTargets: { metadata: '169.254.169.254:80' },
    rollingUpdate: workload.rollingUpdate,
    livenessProbe: workload.livenessProbe,
    readinessProbe: { periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 3 },
    startupProbe: workload.startupProbe,
    terminationGracePeriodSeconds: 30,
    scheduling: workload.scheduling,
    podSecurityContext: workload.podSecurityContext,
    containerSecurityContext: workload.containerSecurityContext,
    serviceAccount: workload.serviceAccount,
    ...podExtras,
  },
}
