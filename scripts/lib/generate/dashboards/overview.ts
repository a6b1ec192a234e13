import type { Dashboard } from './dashboard.ts'

const at = 'namespace=~"$namespace"'
/** Both the operator's PodMonitors and the usual scrape of annotated pods carry the pod's component label. */
const api = `${at},app_kubernetes_io_component="api"`

/** The service itself: the four panels of the design document first, then what an operator needs. */
export const overview: Dashboard = {
  uid: 'opencode-overview',
  title: 'OpenCode Overview',
  namespacesOf: 'opencode_draining',
  panels: [
    {
      title: 'Request Rate',
      unit: 'reqps',
      queries: [[`sum(rate(http_requests_total{${at}}[5m])) by (status)`, '{{status}}']],
    },
    {
      title: 'P99 Latency',
      unit: 's',
      queries: [
        [
          `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{${at}}[5m])) by (le))`,
        ],
      ],
    },
    {
      title: 'Active Sessions',
      type: 'stat',
      queries: [[`sum(max(opencode_active_sessions{${at}}) by (namespace))`]],
    },
    {
      title: 'Token Usage',
      queries: [[`sum(rate(opencode_llm_tokens_total{${at}}[1h])) by (provider)`, '{{provider}}']],
    },
    {
      title: 'Queue Depth',
      queries: [[`max(opencode_queue_depth{${at}}) by (state)`, '{{state}}']],
    },
    {
      title: 'Oldest Waiting Turn',
      unit: 's',
      queries: [[`max(opencode_queue_oldest_seconds{${at}})`]],
    },
    {
      title: 'Turns by Outcome',
      unit: 'ops',
      queries: [[`sum(rate(opencode_turns_total{${api}}[5m])) by (outcome)`, '{{outcome}}']],
    },
    {
      title: 'P95 Turn Duration',
      unit: 's',
      queries: [
        [
          `histogram_quantile(0.95, sum(rate(opencode_turn_duration_seconds_bucket{${api}}[10m])) by (le))`,
        ],
      ],
    },
    {
      title: 'Turns Under Way',
      queries: [
        [`sum(opencode_worker_busy{${at}})`, 'turns'],
        [`count(opencode_worker_busy{${at}})`, 'workers'],
      ],
    },
    {
      title: 'Sandboxes',
      queries: [[`max(opencode_sandboxes{${api}}) by (state)`, '{{state}}']],
    },
    {
      title: 'Sandboxes Given to Turns',
      unit: 'ops',
      queries: [[`sum(rate(opencode_sandbox_claims_total{${api}}[5m])) by (from)`, '{{from}}']],
    },
    {
      title: 'P95 Tool Execution',
      unit: 's',
      queries: [
        [
          `histogram_quantile(0.95, sum(rate(opencode_tool_execution_seconds_bucket{${at}}[10m])) by (le, tool))`,
          '{{tool}}',
        ],
      ],
    },
    {
      title: 'Open Connections',
      queries: [
        [`sum(opencode_sse_connections{${at}})`, 'SSE'],
        [`sum(opencode_websocket_connections{${at}})`, 'WebSocket'],
      ],
    },
    {
      title: 'Database Connections',
      queries: [
        [`sum(opencode_db_pool_connections{${at}}) by (pool, state)`, '{{pool}} {{state}}'],
      ],
    },
    {
      title: 'Replica Lag',
      unit: 's',
      queries: [[`max(opencode_db_replica_lag_seconds{${at}}) by (replica)`, '{{replica}}']],
    },
    {
      title: 'Healthy Replicas',
      type: 'stat',
      queries: [[`sum(min(opencode_db_replica_healthy{${at}}) by (replica))`]],
    },
    {
      title: 'Draining Pods',
      queries: [[`sum(opencode_draining{${at}} == 1) by (pod)`, '{{pod}}']],
    },
    {
      title: 'Model Errors',
      unit: 'ops',
      queries: [
        [
          `sum(rate(opencode_llm_errors_total{${at}}[5m])) by (provider, reason)`,
          '{{provider}} {{reason}}',
        ],
      ],
    },
    {
      title: 'P95 Model Latency',
      unit: 's',
      queries: [
        [
          `histogram_quantile(0.95, sum(rate(opencode_llm_request_duration_seconds_bucket{${at}}[10m])) by (le, provider))`,
          '{{provider}}',
        ],
      ],
    },
    {
      title: 'Lost Sandboxes and Given-up Turns',
      queries: [
        [`sum(increase(opencode_sandbox_lost_total{${at}}[1h])) by (reason)`, 'lost: {{reason}}'],
        [`sum(increase(opencode_dead_letter_total{${at}}[1h]))`, 'given up'],
      ],
    },
    {
      title: 'Error Budget Burn',
      queries: [
        ['max(opencode:http_errors:ratio_rate1h) by (region)', '1 h, {{region}}'],
        ['max(opencode:http_errors:ratio_rate6h) by (region)', '6 h, {{region}}'],
        ['max(opencode:http_errors:ratio_rate3d) by (region)', '3 d, {{region}}'],
      ],
      unit: 'percentunit',
    },
    {
      title: 'Event Loop Lag',
      unit: 's',
      queries: [
        [
          `max(nodejs_eventloop_lag_p99_seconds{${at}}) by (app_kubernetes_io_component)`,
          '{{app_kubernetes_io_component}}',
        ],
      ],
    },
    {
      title: 'Memory',
      unit: 'bytes',
      queries: [
        [
          `max(process_resident_memory_bytes{${at}}) by (app_kubernetes_io_component)`,
          '{{app_kubernetes_io_component}}',
        ],
      ],
    },
  ],
}
