import type { Autoscaling, PodExtras, Workload } from '../../schemas/_lib/workload.ts'
import type { OpenObject, Scheduling } from '../../schemas/_lib/kubernetes.ts'

/** Registry of the project's own images. */
export const ownRegistry = 'ghcr.io'

/** Where pods run unless a component says otherwise: off each other's nodes, spread over zones, quick to leave a dead node. */
export const scheduling = {
  nodeSelector: {},
  tolerations: [],
  spread: { nodes: 'preferred', zones: 'ScheduleAnyway' },
  unreachableSeconds: 30,
} satisfies Scheduling

/** Fast up, slow down. */
export const scalingBehavior = {
  scaleDown: {
    stabilizationWindowSeconds: 300,
    policies: [{ type: 'Percent', value: 10, periodSeconds: 60 }],
  },
  scaleUp: {
    stabilizationWindowSeconds: 60,
    policies: [
      { type: 'Percent', value: 100, periodSeconds: 15 },
      { type: 'Pods', value: 4, periodSeconds: 15 },
    ],
    selectPolicy: 'Max',
  },
} satisfies Autoscaling['behavior']

/** Pod Security `restricted` with a fixed user, of whom no image expects more than group 0 may. */
export const podSecurity = (user: number): OpenObject => ({
  runAsNonRoot: true,
  runAsUser: user,
  runAsGroup: user,
  fsGroup: user,
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
})

/** No privileges, no writable root file system. */
export const containerSecurity: OpenObject = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** Nothing is added to a component's pods. */
export const podExtras: PodExtras = {
  podLabels: {},
  podAnnotations: {},
  annotations: {},
  extraEnv: {},
  extraVolumes: {},
  extraVolumeMounts: {},
  extraInitContainers: {},
}

/** What API, workers and WebSocket handlers have in common. */
export const workload = {
  rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
  disruptionBudget: { enabled: true, maxUnavailable: 1 },
  livenessProbe: {
    initialDelaySeconds: 10,
    periodSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 3,
  },
  readinessProbe: {
    initialDelaySeconds: 5,
    periodSeconds: 5,
    timeoutSeconds: 3,
    failureThreshold: 3,
  },
  startupProbe: { periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 60 },
  logLevel: 'info',
  // The images of the project are built for this architecture.
  scheduling: { ...scheduling, nodeSelector: { 'kubernetes.io/arch': 'amd64' } },
  podSecurityContext: podSecurity(10001),
  containerSecurityContext: containerSecurity,
  tmpSize: '1Gi',
  serviceAccount: { create: true, annotations: {} },
  ...podExtras,
} satisfies Partial<Workload>

/** Prometheus as its operator's Service is called. */
export const prometheusUrl = 'http://prometheus-operated.monitoring.svc:9090'
