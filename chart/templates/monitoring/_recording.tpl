{{/* Share of requests that ended in a server error, over each window that an alert looks at: root context. */}}
{{- define "opencode.rules.recording" -}}
{{- $selector := include "opencode.metrics.selector" (list . "api") -}}
{{- range $window := list "5m" "30m" "1h" "2h" "6h" "1d" "3d" }}
- record: opencode:http_errors:ratio_rate{{ $window }}
  expr: >-
    sum(rate(http_requests_total{ {{- $selector }},status=~"5.."}[{{ $window }}]))
    / sum(rate(http_requests_total{ {{- $selector }}}[{{ $window }}]))
  labels: {region: {{ $.Values.region }}}
{{- end }}
- record: opencode:http_request_duration_seconds:p99_5m
  expr: histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{ {{- $selector }}}[5m])))
  labels: {region: {{ .Values.region }}}
{{- end -}}

{{/* Multiwindow burn-rate alerts: pages for budgets gone in days, tickets for those gone in weeks. Root context. */}}
{{- define "opencode.rules.burnRate" -}}
{{ include "opencode.rules.burn" (list . "OpencodeErrorBudgetBurnFast" "critical" 14.4 "1h" "5m" "2m") }}
{{ include "opencode.rules.burn" (list . "OpencodeErrorBudgetBurnMedium" "critical" 6.0 "6h" "30m" "15m") }}
{{ include "opencode.rules.burn" (list . "OpencodeErrorBudgetBurnSlow" "warning" 3.0 "1d" "2h" "1h") }}
{{ include "opencode.rules.burn" (list . "OpencodeErrorBudgetBurnCreeping" "warning" 1.0 "3d" "6h" "3h") }}
{{- end -}}

{{/* One burn-rate alert: (list . "<alert>" "<severity>" <rate> "<long window>" "<short window>" "<for>") */}}
{{- define "opencode.rules.burn" -}}
{{- $root := first . -}}
{{- $objective := $root.Values.monitoring.rules.availabilityObjective -}}
{{- /* Rounded, because 100 - 99.9 is no round number in binary. */ -}}
{{- $limit := round (divf (mulf (index . 3) (subf 100 $objective)) 100) 9 -}}
{{- $expression := printf "opencode:http_errors:ratio_rate%s > %v and opencode:http_errors:ratio_rate%s > %v" (index . 4) $limit (index . 5) $limit -}}
{{- $summary := printf "The error budget of %v %% burns %v times too fast" $objective (index . 3) -}}
{{ include "opencode.rules.alert" (list $root (index . 1) (index . 2) (index . 6) $expression $summary) }}
{{- end -}}

{{/* One alert: (list . "<alert>" "<severity>" "<for>" "<expression>" "<summary>") */}}
{{- define "opencode.rules.alert" -}}
{{- $root := first . -}}
{{- $rules := $root.Values.monitoring.rules -}}
- alert: {{ index . 1 }}
  expr: {{ index . 4 | quote }}
  for: {{ index . 3 }}
  labels:
    {{- include "opencode.merged" (list (dict "severity" (index . 2) "region" $root.Values.region) $rules.alertLabels) | nindent 4 }}
  annotations:
    summary: {{ index . 5 | quote }}
    runbook_url: {{ printf "%s/%s.md" $rules.runbookUrl (index . 1) }}
{{- end -}}
