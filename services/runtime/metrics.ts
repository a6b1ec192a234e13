import { createServer } from 'node:http'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** A gauge's label values and what it reads now. */
type Reading = { labels: Record<string, string>; value: number }

/** Every metric of the services, under the names that dashboards, alerts and autoscalers use. */
export type Metrics = ReturnType<typeof createMetrics>

/** Makes a registry of its own, so that two services can run in one process (tests). */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name, help, labelNames, registers })
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[],
  ) => new Histogram<L>({ name, help, labelNames, buckets, registers })
  return {
    registry,
    httpRequests: counter('http_requests_total', 'Total HTTP requests', [
      'method',
      'path',
      'status',
    ]),
    httpDuration: histogram(
      'http_request_duration_seconds',
      'HTTP request duration',
      ['method', 'path'],
      [0.01, 0.05, 0.1, 0.5, 1, 5, 10],
    ),
    activeSessions: gauge('opencode_active_sessions', 'Number of active sessions'),
    llmTokens: counter('opencode_llm_tokens_total', 'Total LLM tokens consumed', [
      'provider',
      'model',
      'type',
    ]),
    toolExecution: histogram(
      'opencode_tool_execution_seconds',
      'Tool execution duration',
      ['tool'],
      [0.1, 0.5, 1, 5, 10, 30, 60],
    ),
    queueDepth: gauge('opencode_queue_depth', 'Turns in the queue', ['queue', 'state']),
    queueOldest: gauge('opencode_queue_oldest_seconds', 'Age of the oldest turn that waits', [
      'queue',
    ]),
    turns: counter('opencode_turns_total', 'Turns that have ended', ['outcome']),
    turnDuration: histogram(
      'opencode_turn_duration_seconds',
      'Time from accepting a turn to its end',
      [],
      [0.5, 1, 5, 10, 30, 60, 300, 900, 3600],
    ),
    websocketConnections: gauge('opencode_websocket_connections', 'Open WebSocket connections'),
    sseConnections: gauge('opencode_sse_connections', 'Open event streams'),
    replicaLag: gauge('opencode_db_replica_lag_seconds', 'Replay delay of a replica', ['replica']),
    replicaHealthy: gauge('opencode_db_replica_healthy', '1 while a replica is in the rotation', [
      'replica',
    ]),
    poolConnections: gauge('opencode_db_pool_connections', 'Database connections', [
      'pool',
      'state',
    ]),
    draining: gauge('opencode_draining', '1 while shutting down'),
    llmDuration: histogram(
      'opencode_llm_request_duration_seconds',
      'LLM request duration',
      ['provider', 'model'],
      [0.1, 0.5, 1, 5, 10, 30, 60, 300],
    ),
    llmErrors: counter('opencode_llm_errors_total', 'Failed LLM requests', ['provider', 'reason']),
    signIns: counter('opencode_sign_ins_total', 'Sign-ins by link, and refused credentials', [
      'outcome',
    ]),
    sandboxes: gauge('opencode_sandboxes', 'Sandboxes, as the API that led last has seen them', [
      'state',
    ]),
    sandboxClaims: counter('opencode_sandbox_claims_total', 'Sandboxes given to turns', ['from']),
    sandboxEnds: counter('opencode_sandbox_ends_total', 'Sandboxes that failed under their turn', [
      'reason',
    ]),
    deadLetters: counter('opencode_dead_letter_total', 'Turns given up'),
  }
}

/** Sets a labelled gauge to exactly these readings: what is not named is gone. */
export function setAll<L extends string>(gauge: Gauge<L>, readings: Reading[]): void {
  gauge.reset()
  for (const { labels, value } of readings) gauge.set(labels as Record<L, string>, value)
}

/**
 * Serves `/metrics` on a port of its own, which is never routed from outside.
 * @param refresh - Reads what is measured on demand; a failure is left out of the answer, not turned into one.
 */
export async function serveMetrics(
  registry: Registry,
  port: number,
  refresh: () => Promise<void> = () => Promise.resolve(),
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    void refresh()
      .catch(() => undefined)
      .then(() => registry.metrics())
      .then(
        (text) => {
          response.writeHead(200, { 'content-type': registry.contentType }).end(text)
        },
        () => {
          response.writeHead(500).end()
        },
      )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => {
          resolve()
        })
      }),
  }
}
