import type { TracingValues } from '../../schemas/tracing.ts'

export const tracing: TracingValues = {
  tracing: { sampler: 'parentbased_traceidratio', ratio: 0.1 },
}
