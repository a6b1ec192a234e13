import type { Overlay } from '../schemas/index.ts'

const wave = { 'argocd.argoproj.io/sync-wave': '1' }
const workload = { annotations: wave, autoscaling: { annotations: wave } }

/**
 * Everything belongs to wave 0, save what runs the new version: it comes in wave 1, when the migration's Job has ended. Autoscalers go
 * with their targets, because Argo CD would wait in wave 0 for one that finds nothing to scale. What the Job itself needs (account,
 * Secrets, policies, the database) is in its own wave: a wave before it could wait for it for ever.
 */
export const waves: Overlay = {
  api: workload,
  worker: workload,
  sandbox: { annotations: wave },
  websocket: workload,
}
