import type { HttpUrl } from './_lib/primitives.ts'

/** OpenTelemetry traces over OTLP. */
export interface Tracing {
  /** OTLP/HTTP endpoint, such as `http://otel-collector.observability:4318`. Left out, nothing is traced. */
  endpoint?: HttpUrl
  /**
   * Which traces are kept.
   * @default "parentbased_traceidratio"
   */
  sampler:
    | 'always_on'
    | 'always_off'
    | 'traceidratio'
    | 'parentbased_always_on'
    | 'parentbased_always_off'
    | 'parentbased_traceidratio'
  /**
   * Share of traces kept by the ratio samplers.
   * @minimum 0
   * @maximum 1
   * @default 0.1
   */
  ratio: number
}

/** Tracing. */
export interface TracingValues {
  /** OpenTelemetry traces. */
  tracing: Tracing
}
