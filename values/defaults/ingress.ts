import type { IngressValues } from '../../schemas/ingress.ts'

export const ingress: IngressValues = {
  ingress: {
    enabled: false,
    className: 'nginx',
    clusterIssuer: 'letsencrypt-prod',
    tls: { enabled: true, secretName: 'opencode-tls', streamsSecretName: 'opencode-events-tls' },
    annotations: {
      'nginx.ingress.kubernetes.io/proxy-body-size': '32m',
      'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
      'nginx.ingress.kubernetes.io/proxy-send-timeout': '3600',
      'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
    },
    streamsAnnotations: {
      'nginx.ingress.kubernetes.io/affinity': 'cookie',
      'nginx.ingress.kubernetes.io/session-cookie-name': 'opencode-route',
      'nginx.ingress.kubernetes.io/session-cookie-expires': '172800',
      'nginx.ingress.kubernetes.io/session-cookie-max-age': '172800',
    },
  },
}
