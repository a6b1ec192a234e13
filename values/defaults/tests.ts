import type { TestsValues } from '../../schemas/tests.ts'

export const tests: TestsValues = {
  tests: {
    enabled: true,
    resources: {
      requests: { cpu: '50m', memory: '64Mi' },
      limits: { cpu: '500m', memory: '256Mi' },
    },
  },
}
