import type { Dashboard } from './dashboard.ts'

const at = 'namespace=~"$namespace"'

/** PostgreSQL and Redis as their operators' exporters see them. */
export const stores: Dashboard = {
  uid: 'opencode-stores',
  title: 'OpenCode Stores',
  namespacesOf: 'cnpg_collector_up',
  panels: [
    { title: 'PostgreSQL Instances', type: 'stat', queries: [[`sum(cnpg_collector_up{${at}})`]] },
    {
      title: 'Primary',
      type: 'stat',
      queries: [[`sum(cnpg_pg_replication_in_recovery{${at}} == bool 0) by (pod)`, '{{pod}}']],
    },
    {
      title: 'Replication Lag',
      unit: 's',
      queries: [[`max(cnpg_pg_replication_lag{${at}}) by (pod)`, '{{pod}}']],
    },
    {
      title: 'Backends',
      queries: [[`sum(cnpg_backends_total{${at}}) by (pod, state)`, '{{pod}} {{state}}']],
    },
    {
      title: 'Backends Waiting for Locks',
      queries: [[`sum(cnpg_backends_waiting_total{${at}}) by (pod)`, '{{pod}}']],
    },
    {
      title: 'Longest Transaction',
      unit: 's',
      queries: [[`max(cnpg_backends_max_tx_duration_seconds{${at}}) by (pod)`, '{{pod}}']],
    },
    {
      title: 'Transactions',
      unit: 'ops',
      queries: [
        [`sum(rate(cnpg_pg_stat_database_xact_commit{${at}}[5m])) by (pod)`, '{{pod}} commit'],
        [`sum(rate(cnpg_pg_stat_database_xact_rollback{${at}}[5m])) by (pod)`, '{{pod}} rollback'],
      ],
    },
    {
      title: 'Database Size',
      unit: 'bytes',
      queries: [[`max(cnpg_pg_database_size_bytes{${at}}) by (datname)`, '{{datname}}']],
    },
    {
      title: 'WAL to Archive',
      queries: [
        [`max(cnpg_collector_pg_wal_archive_status{${at},value="ready"}) by (pod)`, '{{pod}}'],
      ],
    },
    {
      title: 'Age of the Last Archived WAL',
      unit: 's',
      queries: [[`max(cnpg_pg_stat_archiver_seconds_since_last_archival{${at}})`]],
    },
    {
      title: 'Age of the Last Base Backup',
      type: 'stat',
      unit: 's',
      queries: [
        [`time() - max(barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{${at}})`],
      ],
    },
    {
      title: 'Pooler Clients',
      queries: [
        [`sum(cnpg_pgbouncer_pools_cl_active{${at}})`, 'active'],
        [`sum(cnpg_pgbouncer_pools_cl_waiting{${at}})`, 'waiting'],
        [`sum(cnpg_pgbouncer_pools_sv_active{${at}})`, 'server connections'],
      ],
    },
    { title: 'Redis Members', type: 'stat', queries: [[`sum(redis_up{${at}})`]] },
    {
      title: 'Redis Memory',
      unit: 'percentunit',
      queries: [
        [
          `max(redis_memory_used_bytes{${at}} / (redis_memory_max_bytes{${at}} > 0)) by (pod)`,
          '{{pod}}',
        ],
      ],
    },
    {
      title: 'Redis Commands',
      unit: 'ops',
      queries: [[`sum(rate(redis_commands_processed_total{${at}}[5m])) by (pod)`, '{{pod}}']],
    },
    {
      title: 'Redis Clients',
      queries: [[`sum(redis_connected_clients{${at}}) by (pod)`, '{{pod}}']],
    },
  ],
}
