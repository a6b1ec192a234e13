import type { KedaValues } from '../../schemas/keda.ts'
import { prometheusUrl } from './common.ts'

export const keda: KedaValues = {
  keda: {
    enabled: false,
    prometheusUrl,
    fallback: { failureThreshold: 3 },
    worker: { turnsPerPod: 1 },
    websocket: { connectionsPerPod: 500 },
  },
}
