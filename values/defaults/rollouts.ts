import type { RolloutsValues } from '../../schemas/rollouts.ts'
import { prometheusUrl } from './common.ts'

export const rollouts: RolloutsValues = {
  rollouts: {
    enabled: false,
    strategy: 'blueGreen',
    blueGreen: { previewReplicaCount: 2, scaleDownDelaySeconds: 30, autoPromotionEnabled: false },
    canary: {
      steps: [
        { setWeight: 5 },
        { pause: { duration: '5m' } },
        { setWeight: 20 },
        { pause: { duration: '10m' } },
        { setWeight: 50 },
        { pause: { duration: '10m' } },
        { setWeight: 100 },
      ],
      analysisStartingStep: 1,
      trafficRouting: 'none',
    },
    analysis: {
      prometheusUrl,
      successRatePercentage: 99,
      interval: '1m',
      count: 5,
      failureLimit: 2,
    },
  },
}
