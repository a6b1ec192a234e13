import type { MonitoringValues } from '../../schemas/monitoring.ts'
import { repository } from '../repository.ts'

export const monitoring: MonitoringValues = {
  monitoring: {
    enabled: false,
    interval: '30s',
    labels: {},
    rules: {
      enabled: false,
      availabilityObjective: 99.9,
      runbookUrl: `${repository}/blob/main/docs/runbooks`,
      alertLabels: {},
    },
    dashboards: { enabled: false, labels: { grafana_dashboard: '1' } },
  },
}
