{{/* Alerts on what each component does: root context. */}}
{{- define "opencode.rules.components" -}}
{{- $api := include "opencode.metrics.selector" (list . "api") -}}
{{- $worker := include "opencode.metrics.selector" (list . "worker") -}}
{{- $release := printf "namespace=~\"%s|%s\",pod=~\"%s-.+\"" .Release.Namespace (include "opencode.workersNamespace" .) (include "opencode.fullname" .) -}}
{{- $down := "sum(up{%s}) == 0 or absent(up{%s})" -}}
{{ include "opencode.rules.alert" (list . "OpencodeApiDown" "critical" "2m" (printf $down $api $api) "No API pod answers Prometheus") }}
{{ include "opencode.rules.alert" (list . "OpencodeWorkersDown" "critical" "5m" (printf $down $worker $worker) "No tool worker answers Prometheus: turns wait") }}
{{- if .Values.websocket.enabled }}
{{- $websocket := include "opencode.metrics.selector" (list . "websocket") }}
{{ include "opencode.rules.alert" (list . "OpencodeWebsocketDown" "critical" "5m" (printf $down $websocket $websocket) "No WebSocket handler answers Prometheus") }}
{{- end }}
{{ include "opencode.rules.alert" (list . "OpencodeLatencyHigh" "warning" "15m" (printf "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{%s,method=\"GET\",path!~\".*event.*\"}[10m]))) > 5" $api) "One read in a hundred takes more than 5 s") }}
{{ include "opencode.rules.alert" (list . "OpencodeQueueStuck" "critical" "5m" (printf "max(opencode_queue_oldest_seconds{%s}) > 300" $api) "The oldest turn has waited for more than 5 minutes") }}
{{ include "opencode.rules.alert" (list . "OpencodeQueueGrowing" "warning" "15m" (printf "max(opencode_queue_depth{%s,state=\"waiting\"}) > %v" $api (mul 2 .Values.worker.autoscaling.maxReplicas .Values.worker.turnsPerPod)) "Twice as many turns wait as workers could ever carry") }}
{{ include "opencode.rules.alert" (list . "OpencodeTurnsFailing" "warning" "10m" (printf "sum(rate(opencode_turns_total{%s,outcome=~\"failed|dead\"}[15m])) / sum(rate(opencode_turns_total{%s}[15m])) > 0.05" $api $api) "More than one turn in twenty fails") }}
{{ include "opencode.rules.alert" (list . "OpencodeTurnsGivenUp" "warning" "0m" (printf "sum(increase(opencode_dead_letter_total{%s}[30m])) > 0" $release) "A turn was given up after all its attempts") }}
{{ include "opencode.rules.alert" (list . "OpencodeSandboxPoolEmpty" "critical" "5m" (printf "max(opencode_sandboxes{%s,state=\"pool\"}) == 0" $api) "No sandbox is ready: new sessions wait") }}
{{ include "opencode.rules.alert" (list . "OpencodeSandboxesLost" "warning" "10m" (printf "sum(increase(opencode_sandbox_lost_total{%s}[30m])) > 5" $worker) "Sandboxes end under their turns") }}
{{ include "opencode.rules.alert" (list . "OpencodeReplicaLag" "warning" "5m" (printf "max by (replica) (opencode_db_replica_lag_seconds{%s}) > 30" $api) "A read replica is more than 30 s behind") }}
{{ include "opencode.rules.alert" (list . "OpencodeReplicaUnhealthy" "warning" "5m" (printf "min by (replica) (opencode_db_replica_healthy{%s}) == 0" $api) "A read replica is out of the rotation") }}
{{ include "opencode.rules.alert" (list . "OpencodeDatabasePoolExhausted" "warning" "5m" (printf "max by (pool) (opencode_db_pool_connections{%s,state=\"waiting\"}) > 0" $api) "Requests wait for a database connection") }}
{{ include "opencode.rules.alert" (list . "OpencodeDrainStuck" "warning" "5m" (printf "max by (pod) (opencode_draining{%s}) == 1" $release) "A pod has been shutting down for more than 5 minutes") }}
{{ include "opencode.rules.alert" (list . "OpencodeModelErrors" "warning" "10m" (printf "sum by (provider) (rate(opencode_llm_errors_total{%s}[10m])) > 0.1 * sum by (provider) (rate(opencode_llm_request_duration_seconds_count{%s}[10m]))" $api $api) "More than one model request in ten fails") }}
{{- end -}}
