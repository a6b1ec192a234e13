import {
  context,
  propagation,
  SpanStatusCode,
  trace,
  type Attributes,
  type Span,
  type SpanKind,
} from '@opentelemetry/api'
import { setTimeout as sleep } from 'node:timers/promises'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { NodeSDK } from '@opentelemetry/sdk-node'

/** Longest wait for the last spans to be sent, ms. */
const SHUTDOWN_MS = 3_000

/**
 * Starts tracing as the standard OTEL_* variables say; does nothing where no endpoint is set.
 * @returns a function that sends what is left and stops.
 */
export function startTracing(
  service: string,
  env: NodeJS.ProcessEnv = process.env,
): () => Promise<void> {
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
    return () => Promise.resolve()
  const sdk = new NodeSDK({
    serviceName: env['OTEL_SERVICE_NAME'] ?? service,
    traceExporter: new OTLPTraceExporter(),
    instrumentations: [],
  })
  sdk.start()
  // A collector that is gone must not hold up the end of the process.
  return () =>
    Promise.race([
      sdk.shutdown().catch(() => undefined),
      sleep(SHUTDOWN_MS, undefined, { ref: false }),
    ])
}

/** Runs `work` in a span of its own: an error is recorded, the span always ends. */
export async function inSpan<T>(
  name: string,
  { kind, attributes }: { kind?: SpanKind; attributes?: Attributes },
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const options = {
    ...(kind === undefined ? {} : { kind }),
    ...(attributes === undefined ? {} : { attributes }),
  }
  return trace.getTracer('opencode').startActiveSpan(name, options, async (span) => {
    try {
      return await work(span)
    } catch (error) {
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      })
      throw error
    } finally {
      span.end()
    }
  })
}

/** The active trace as a W3C `traceparent`, to be carried through the queue. */
export function traceparent(): string | undefined {
  const carrier: Record<string, string> = {}
  propagation.inject(context.active(), carrier)
  return carrier['traceparent']
}

/** Runs `work` as part of the trace that a request's headers name. */
export function withRemoteTrace<T>(headers: Record<string, string | undefined>, work: () => T): T {
  return context.with(propagation.extract(context.active(), headers), work)
}

/** The active trace's id, for logs. */
export function traceID(): string | undefined {
  const id = trace.getActiveSpan()?.spanContext().traceId
  return id === '00000000000000000000000000000000' ? undefined : id
}
