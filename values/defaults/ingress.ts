import type { IngressValues } from '../../schemas/ingress.ts'

export const ingress: IngressValues = {
  ingress: {
    enabled: false,
    className: 'nginx',
    hosts: {},
    eventHosts: {},
    bodySize: '100m',
    timeoutSeconds: 3600,
    cookie: { name: 'opencode-route', maxAgeSeconds: 172800 },
    tls: { enabled: true, secretName: 'opencode-tls', clusterIssuer: 'letsencrypt-prod' },
    annotations: {},
  },
}
