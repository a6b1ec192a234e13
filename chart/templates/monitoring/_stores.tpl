{{/* Alerts on PostgreSQL and Redis, where an operator runs them and their exporters are read: root context. */}}
{{- define "opencode.rules.stores" -}}
{{- if and (eq .Values.postgres.mode "cnpg") .Values.postgres.cnpg.podMonitor }}
{{- include "opencode.rules.postgres" . }}
{{- end }}
{{- if and (eq .Values.redis.mode "cluster") .Values.redis.cluster.exporter.enabled .Values.monitoring.enabled }}
{{- include "opencode.rules.redis" . }}
{{- end }}
{{- end -}}

{{/* Selector of an operator's pods: (list . "<what follows the full name, an expression>") */}}
{{- define "opencode.metrics.operated" -}}
namespace="{{ (first .).Release.Namespace }}",pod=~"{{ include "opencode.fullname" (first .) }}-{{ index . 1 }}"
{{- end -}}

{{- define "opencode.rules.postgres" -}}
{{- $cnpg := .Values.postgres.cnpg -}}
{{- $instance := include "opencode.metrics.operated" (list . "postgres-[0-9]+") -}}
{{- $pooler := include "opencode.metrics.operated" (list . "postgres-pooler-.+") -}}
{{- $down := printf "count(cnpg_collector_up{%s} == 1) < %v or absent(cnpg_collector_up{%s} == 1)" $instance $cnpg.instances $instance -}}
{{- $full := printf "sum by (pod) (cnpg_backends_total{%s}) > 0.9 * max by (pod) (cnpg_pg_settings_setting{%s,name=\"max_connections\"})" $instance $instance }}
{{ include "opencode.rules.alert" (list . "OpencodePostgresInstanceDown" "critical" "5m" $down "An instance of PostgreSQL is missing: commits wait, or will at the next failure") }}
{{ include "opencode.rules.alert" (list . "OpencodePostgresReplicationLag" "warning" "5m" (printf "max by (pod) (cnpg_pg_replication_lag{%s}) > 30" $instance) "An instance of PostgreSQL is more than 30 s behind") }}
{{ include "opencode.rules.alert" (list . "OpencodePostgresConnectionsHigh" "warning" "10m" $full "More than nine in ten of PostgreSQL's connections are taken") }}
{{- if $cnpg.pooler.enabled }}
{{ include "opencode.rules.alert" (list . "OpencodePoolerClientsWaiting" "warning" "5m" (printf "sum by (pod) (cnpg_pgbouncer_pools_cl_waiting{%s}) > 0" $pooler) "Clients of the pooler wait for a server connection") }}
{{- end }}
{{- if $cnpg.backup.enabled }}
{{ include "opencode.rules.alert" (list . "OpencodePostgresArchivingFailing" "critical" "15m" (printf "sum(increase(cnpg_pg_stat_archiver_failed_count{%s}[5m])) > 0" $instance) "WAL does not reach the archive: a restore would lose what came since") }}
{{ include "opencode.rules.alert" (list . "OpencodePostgresBackupOld" "warning" "1h" (printf "time() - max(barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{%s}) > 129600" $instance) "The last base backup is older than 36 hours") }}
{{- end }}
{{- end -}}

{{- define "opencode.rules.redis" -}}
{{- $member := include "opencode.metrics.operated" (list . "redis-(leader|follower)-[0-9]+") -}}
{{- $leader := include "opencode.metrics.operated" (list . "redis-leader-[0-9]+") -}}
{{- $down := printf "count(redis_up{%s} == 1) < %d or absent(redis_up{%s} == 1)" $member (mul 2 .Values.redis.cluster.clusterSize) $member -}}
{{- $full := printf "max by (pod) (redis_memory_used_bytes{%s}) > 0.85 * max by (pod) (redis_memory_max_bytes{%s} > 0)" $member $member }}
{{ include "opencode.rules.alert" (list . "OpencodeRedisMemberDown" "warning" "5m" $down "A member of the Redis Cluster is missing") }}
{{ include "opencode.rules.alert" (list . "OpencodeRedisClusterBroken" "critical" "2m" (printf "min(redis_cluster_state{%s}) == 0" $member) "Some slots of the Redis Cluster are served by nobody: turns wait") }}
{{ include "opencode.rules.alert" (list . "OpencodeRedisLeaderDemoted" "warning" "15m" (printf "count(redis_instance_info{%s,role=\"slave\"}) > 0" $leader) "A leader of the Redis Cluster is a replica: a zone may hold two masters, and without it no turn would run") }}
{{ include "opencode.rules.alert" (list . "OpencodeRedisMemoryHigh" "warning" "10m" $full "Redis has used more than 85 % of its memory and will refuse writes when it is full") }}
{{- end -}}
