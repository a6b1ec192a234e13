import type { MigrationValues } from '../../schemas/migration.ts'

export const migration: MigrationValues = {
  migration: {
    enabled: true,
    backoffLimit: 20,
    activeDeadlineSeconds: 1800,
    resources: {
      requests: { cpu: '50m', memory: '128Mi' },
      limits: { cpu: '500m', memory: '512Mi' },
    },
    annotations: {},
  },
}
