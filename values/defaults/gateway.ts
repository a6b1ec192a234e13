import type { GatewayValues } from '../../schemas/gateway.ts'

export const gateway: GatewayValues = {
  gateway: {
    enabled: false,
    className: 'envoy',
    annotations: {},
    tls: { enabled: true, port: 443, secretName: 'opencode-tls' },
    requestTimeout: '3600s',
    v2: { enabled: false },
  },
}
