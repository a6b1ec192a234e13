/** Samples of one metric for every minute: `1x30` is thirty more times 1, `0+2x30` grows by 2 a minute. */
export type Series = Readonly<Record<string, string>>

/** One alert: what makes it fire, and what is near but must not. */
export interface AlertCase {
  readonly alert: string
  /** Time at which it must have fired, and the quiet one must not. */
  readonly at: string
  readonly fires: Series
  readonly quiet: Series
  /** Labels that the expression leaves, beside the rule's own. */
  readonly labels?: Readonly<Record<string, string>>
}

const api = 'namespace="opencode",pod="opencode-api-1"'
const worker = 'namespace="opencode-workers",pod="opencode-worker-1"'
const websocket = 'namespace="opencode",pod="opencode-websocket-1"'
const instance = (number: number): string =>
  `namespace="opencode",pod="opencode-postgres-${number.toString()}"`
const pooler = 'namespace="opencode",pod="opencode-postgres-pooler-1"'
const member = (name: string): string => `namespace="opencode",pod="opencode-redis-${name}"`
const members = ['leader-0', 'leader-1', 'leader-2', 'follower-0', 'follower-1', 'follower-2']

/** So many server errors among so many requests, evenly, for as many minutes. */
const errors = (failed: number, all: number, minutes: number): Series => ({
  [`http_requests_total{${api},method="GET",path="/session",status="500"}`]: `0+${failed.toString()}x${minutes.toString()}`,
  [`http_requests_total{${api},method="GET",path="/session",status="200"}`]: `0+${(all - failed).toString()}x${minutes.toString()}`,
})

/** Reads that took between 5 and 10 s. */
const slow = (path: string): Series =>
  Object.fromEntries(
    [
      ['5', '0x60'],
      ['10', '0+10x60'],
      ['+Inf', '0+10x60'],
    ].map(([le = '', values = '']) => [
      `http_request_duration_seconds_bucket{${api},method="GET",path="${path}",le="${le}"}`,
      values,
    ]),
  )

const turns = (failed: number, completed: number): Series => ({
  [`opencode_turns_total{${api},outcome="failed"}`]: `0+${failed.toString()}x60`,
  [`opencode_turns_total{${api},outcome="completed"}`]: `0+${completed.toString()}x60`,
})

const modelErrors = (failed: number, all: number): Series => ({
  [`opencode_llm_errors_total{${api},provider="anthropic",reason="rate-limit"}`]: `0+${failed.toString()}x60`,
  [`opencode_llm_request_duration_seconds_count{${api},provider="anthropic",model="m"}`]: `0+${all.toString()}x60`,
})

const backends = (count: number): Series => ({
  [`cnpg_backends_total{${instance(1)},state="active"}`]: `${count.toString()}x30`,
  [`cnpg_pg_settings_setting{${instance(1)},name="max_connections"}`]: '200x30',
})

const memory = (used: number): Series => ({
  [`redis_memory_used_bytes{${member('leader-0')}}`]: `${used.toString()}x30`,
  [`redis_memory_max_bytes{${member('leader-0')}}`]: '100x30',
})

/** Values of one series for half an hour. */
const steady = (name: string, labels: string, value: number): Series => ({
  [`${name}{${labels}}`]: `${value.toString()}x60`,
})

/** A value that makes an alert fire, and the nearest one that does not. */
const near = (
  name: string,
  labels: string,
  fires: number,
  quiet: number,
): { fires: Series; quiet: Series } => ({
  fires: steady(name, labels, fires),
  quiet: steady(name, labels, quiet),
})

const up = (labels: readonly string[], name: string): Series =>
  Object.assign({}, ...labels.map((one) => steady(name, one, 1))) as Series

/** Every alert of the chart. A new one is one row. */
export const alertCases: readonly AlertCase[] = [
  // Budget 0.1 %: 14.4, 6, 3 times and once as fast.
  {
    alert: 'OpencodeErrorBudgetBurnFast',
    at: '90m',
    fires: errors(2, 100, 100),
    quiet: errors(1, 100, 100),
    labels: { region: 'us' },
  },
  {
    alert: 'OpencodeErrorBudgetBurnMedium',
    at: '7h',
    fires: errors(1, 100, 500),
    quiet: errors(1, 200, 500),
    labels: { region: 'us' },
  },
  {
    alert: 'OpencodeErrorBudgetBurnSlow',
    at: '26h',
    fires: errors(1, 200, 1600),
    quiet: errors(1, 500, 1600),
    labels: { region: 'us' },
  },
  {
    alert: 'OpencodeErrorBudgetBurnCreeping',
    at: '80h',
    labels: { region: 'us' },
    fires: errors(1, 500, 5000),
    quiet: errors(1, 2000, 5000),
  },

  { alert: 'OpencodeApiDown', at: '5m', ...near('up', api, 0, 1) },
  {
    alert: 'OpencodeApiDown',
    at: '5m',
    fires: {},
    quiet: steady('up', api, 1),
    labels: { namespace: 'opencode' },
  },
  { alert: 'OpencodeWorkersDown', at: '10m', ...near('up', worker, 0, 1) },
  { alert: 'OpencodeWebsocketDown', at: '10m', ...near('up', websocket, 0, 1) },
  { alert: 'OpencodeLatencyHigh', at: '30m', fires: slow('/session'), quiet: slow('/event') },
  {
    alert: 'OpencodeQueueStuck',
    at: '10m',
    ...near('opencode_queue_oldest_seconds', `${api},queue="turns"`, 301, 300),
  },
  {
    alert: 'OpencodeQueueGrowing',
    at: '20m',
    ...near('opencode_queue_depth', `${api},queue="turns",state="waiting"`, 801, 800),
  },
  { alert: 'OpencodeTurnsFailing', at: '30m', fires: turns(1, 9), quiet: turns(1, 99) },
  {
    alert: 'OpencodeTurnsGivenUp',
    at: '10m',
    fires: { [`opencode_dead_letter_total{${worker}}`]: '0 0 0 1x30' },
    quiet: { [`opencode_dead_letter_total{${worker}}`]: '1x30' },
  },
  {
    alert: 'OpencodeSandboxPoolEmpty',
    at: '10m',
    ...near('opencode_sandboxes', `${api},state="pool"`, 0, 1),
  },
  {
    alert: 'OpencodeSandboxesLost',
    at: '50m',
    fires: { [`opencode_sandbox_lost_total{${worker},reason="crash"}`]: '0+1x60' },
    quiet: { [`opencode_sandbox_lost_total{${worker},reason="crash"}`]: '7x60' },
  },
  {
    alert: 'OpencodeReplicaLag',
    at: '10m',
    labels: { replica: 'replica-1' },
    ...near('opencode_db_replica_lag_seconds', `${api},replica="replica-1"`, 31, 30),
  },
  {
    alert: 'OpencodeReplicaUnhealthy',
    at: '10m',
    labels: { replica: 'replica-1' },
    ...near('opencode_db_replica_healthy', `${api},replica="replica-1"`, 0, 1),
  },
  {
    alert: 'OpencodeDatabasePoolExhausted',
    at: '10m',
    labels: { pool: 'primary' },
    fires: steady('opencode_db_pool_connections', `${api},pool="primary",state="waiting"`, 1),
    quiet: steady('opencode_db_pool_connections', `${api},pool="primary",state="used"`, 20),
  },
  {
    alert: 'OpencodeDrainStuck',
    at: '10m',
    labels: { pod: 'opencode-worker-1' },
    ...near('opencode_draining', worker, 1, 0),
  },
  {
    alert: 'OpencodeModelErrors',
    at: '30m',
    labels: { provider: 'anthropic' },
    fires: modelErrors(2, 10),
    quiet: modelErrors(1, 20),
  },

  {
    alert: 'OpencodePostgresInstanceDown',
    at: '10m',
    fires: up([instance(1), instance(2)], 'cnpg_collector_up'),
    quiet: up([instance(1), instance(2), instance(3)], 'cnpg_collector_up'),
  },
  {
    alert: 'OpencodePostgresInstanceDown',
    at: '10m',
    fires: {},
    quiet: up([instance(1), instance(2), instance(3)], 'cnpg_collector_up'),
  },
  {
    alert: 'OpencodePostgresReplicationLag',
    at: '10m',
    labels: { pod: 'opencode-postgres-2' },
    ...near('cnpg_pg_replication_lag', instance(2), 31, 30),
  },
  {
    alert: 'OpencodePostgresConnectionsHigh',
    at: '20m',
    labels: { pod: 'opencode-postgres-1' },
    fires: backends(181),
    quiet: backends(180),
  },
  {
    alert: 'OpencodePoolerClientsWaiting',
    at: '10m',
    labels: { pod: 'opencode-postgres-pooler-1' },
    ...near('cnpg_pgbouncer_pools_cl_waiting', `${pooler},database="opencode"`, 1, 0),
  },
  {
    alert: 'OpencodePostgresArchivingFailing',
    at: '40m',
    fires: { [`cnpg_pg_stat_archiver_failed_count{${instance(1)}}`]: '0+1x60' },
    quiet: { [`cnpg_pg_stat_archiver_failed_count{${instance(1)}}`]: '5x60' },
  },
  {
    // promtool's clock starts at 0: a backup at 0 is 38 hours old.
    alert: 'OpencodePostgresBackupOld',
    at: '38h',
    fires: {
      [`barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{${instance(1)}}`]: '0x2400',
    },
    quiet: {
      [`barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{${instance(1)}}`]:
        '86400x2400',
    },
  },
  {
    alert: 'OpencodeRedisMemberDown',
    at: '10m',
    fires: up(members.slice(1).map(member), 'redis_up'),
    quiet: up(members.map(member), 'redis_up'),
  },
  {
    alert: 'OpencodeRedisClusterBroken',
    at: '5m',
    ...near('redis_cluster_state', member('leader-0'), 0, 1),
  },
  {
    alert: 'OpencodeRedisLeaderDemoted',
    at: '30m',
    fires: up(
      [`${member('leader-1')},role="slave"`, `${member('follower-1')},role="master"`],
      'redis_instance_info',
    ),
    quiet: up(
      [`${member('leader-1')},role="master"`, `${member('follower-1')},role="slave"`],
      'redis_instance_info',
    ),
  },
  {
    alert: 'OpencodeRedisMemoryHigh',
    at: '20m',
    labels: { pod: 'opencode-redis-leader-0' },
    fires: memory(86),
    quiet: memory(85),
  },
]
