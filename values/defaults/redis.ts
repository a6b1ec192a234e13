import type { RedisValues } from '../../schemas/redis.ts'
import { containerSecurity, podSecurity, scheduling } from './common.ts'

export const redis: RedisValues = {
  redis: {
    mode: 'embedded',
    embedded: {
      image: {
        registry: 'docker.io',
        repository: 'library/redis',
        tag: '8.0.4-bookworm',
        pullPolicy: 'IfNotPresent',
      },
      resources: {
        requests: { cpu: '100m', memory: '128Mi' },
        limits: { cpu: '1000m', memory: '1Gi' },
      },
      persistence: { enabled: true, size: '2Gi' },
      podSecurityContext: podSecurity(999),
      containerSecurityContext: containerSecurity,
      scheduling: { ...scheduling, spread: { nodes: 'none', zones: 'none' } },
    },
    cluster: {
      clusterSize: 3,
      image: {
        registry: 'quay.io',
        repository: 'opstree/redis',
        tag: 'v7.0.15',
        pullPolicy: 'IfNotPresent',
      },
      resources: {
        requests: { cpu: '500m', memory: '1Gi' },
        limits: { cpu: '1000m', memory: '2Gi' },
      },
      persistence: { enabled: true, size: '10Gi' },
      podSecurityContext: { runAsUser: 1000, fsGroup: 1000 },
      exporter: {
        enabled: true,
        image: {
          registry: 'quay.io',
          repository: 'opstree/redis-exporter',
          tag: 'v1.48.0',
          pullPolicy: 'IfNotPresent',
        },
        resources: {
          requests: { cpu: '50m', memory: '32Mi' },
          limits: { cpu: '100m', memory: '128Mi' },
        },
      },
      scheduling,
    },
    external: { topology: 'single', urlKey: 'redis-url', ports: [6379] },
  },
}
