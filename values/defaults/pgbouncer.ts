import type { PgbouncerValues } from '../../schemas/pgbouncer.ts'
import { containerSecurity, podSecurity, scheduling } from './common.ts'

export const pgbouncer: PgbouncerValues = {
  pgbouncer: {
    enabled: false,
    image: {
      registry: 'ghcr.io',
      repository: 'cloudnative-pg/pgbouncer',
      tag: '1.24.1',
      pullPolicy: 'IfNotPresent',
    },
    replicas: 2,
    port: 5432,
    serverTlsMode: 'require',
    poolMode: 'transaction',
    maxClientConnections: 1000,
    defaultPoolSize: 20,
    minPoolSize: 5,
    maxPreparedStatements: 200,
    resources: {
      requests: { cpu: '100m', memory: '64Mi' },
      limits: { cpu: '500m', memory: '256Mi' },
    },
    disruptionBudget: { enabled: true, maxUnavailable: 1 },
    scheduling,
    podSecurityContext: podSecurity(999),
    containerSecurityContext: containerSecurity,
  },
}
