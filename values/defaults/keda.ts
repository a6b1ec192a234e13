import type { KedaValues } from '../../schemas/keda.ts'
import { prometheusUrl } from './common.ts'

export const keda: KedaValues = {
  keda: {
    enabled: false,
    prometheusUrl,
    fallback: { failureThreshold: 3 },
    websocket: { connectionsPerPod: 500 },
  },
}
