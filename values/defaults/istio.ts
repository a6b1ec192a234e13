import type { IstioValues } from '../../schemas/istio.ts'

export const istio: IstioValues = {
  istio: {
    enabled: false,
    gateways: {},
    trustDomain: 'cluster.local',
    v2: { enabled: true },
    timeout: '300s',
    turnTimeout: '3600s',
    retries: { attempts: 3, perTryTimeout: '10s' },
    outlierDetection: {
      consecutiveGatewayErrors: 5,
      interval: '10s',
      baseEjectionTime: '30s',
      maxEjectionPercent: 50,
    },
  },
}
