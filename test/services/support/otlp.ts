import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A span as an OTLP/HTTP exporter sends it, with its attributes as a record. */
export interface ReceivedSpan {
  service: string
  name: string
  traceId: string
  spanId: string
  parentSpanId: string
  /** Number of the protocol: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  /** 2 is an error. */
  status: number
  attributes: Record<string, unknown>
}

/** A collector that keeps every span. */
export interface OtlpReceiver {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string
  readonly spans: ReceivedSpan[]
  close(): void
}

interface KeyValue {
  key: string
  value: Record<string, unknown>
}
interface RawSpan {
  name: string
  traceId: string
  spanId: string
  parentSpanId?: string
  kind: number
  status?: { code?: number }
  attributes?: KeyValue[]
}
interface TraceRequest {
  resourceSpans: { resource: { attributes: KeyValue[] }; scopeSpans: { spans: RawSpan[] }[] }[]
}

/** Starts an OTLP/HTTP receiver (JSON) on a free loopback port. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url === '/v1/traces')
        spans.push(...read(JSON.parse(Buffer.concat(chunks).toString()) as TraceRequest))
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${port.toString()}`, spans, close }
}

function read({ resourceSpans }: TraceRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(record(resource.attributes)['service.name'])
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, traceId, spanId, parentSpanId = '', kind, status, attributes = [] }) => ({
        service,
        name,
        traceId,
        spanId,
        parentSpanId,
        kind,
        status: status?.code ?? 0,
        attributes: record(attributes),
      })),
    )
  })
}

/** Values without the protocol's type tags; 64-bit numbers come as text. */
function record(attributes: KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [[type, content] = ['', undefined]] = Object.entries(value)
      return [key, type === 'intValue' ? Number(content) : content]
    }),
  )
}
