import type { GatewayValues } from '../../schemas/gateway.ts'

export const gateway: GatewayValues = {
  gateway: {
    enabled: false,
    className: 'envoy',
    hosts: {},
    eventHosts: {},
    requestTimeout: '3600s',
    tls: { enabled: true, secretName: 'opencode-gateway-tls', clusterIssuer: 'letsencrypt-prod' },
    annotations: {},
  },
}
