{{/* A whole ScaledObject with a component's bounds and speed: (list . "api"). Triggers: "opencode.keda.<component>". */}}
{{- define "opencode.keda.scaledObject" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $scaling := (index $root.Values $component).autoscaling -}}
{{- if and $root.Values.keda.enabled $scaling.enabled -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "opencode.metadata" (append . $scaling.annotations) | nindent 2 }}
spec:
  scaleTargetRef:
    {{- include "opencode.scaleTarget" . | nindent 4 }}
  minReplicaCount: {{ $scaling.minReplicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  # No pollingInterval: above zero pods the autoscaler asks at its own pace, every 15 s.
  fallback:
    failureThreshold: {{ $root.Values.keda.fallback.failureThreshold }}
    replicas: {{ $scaling.minReplicas }}
    behavior: currentReplicasIfHigher
  advanced:
    {{- include (printf "opencode.keda.%sModifiers" $component) $root | nindent 4 }}
    horizontalPodAutoscalerConfig:
      behavior:
        {{- toYaml $scaling.behavior | nindent 8 }}
  triggers:
    {{- include (printf "opencode.keda.%s" $component) $root | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* CPU and memory: (list . "api") */}}
{{- define "opencode.keda.resources" -}}
{{- $scaling := (index (first .).Values (index . 1)).autoscaling -}}
{{- with $scaling.targetCPUUtilizationPercentage }}
- type: cpu
  metricType: Utilization
  metadata: {value: {{ . | quote }}}
{{- end }}
{{- with $scaling.targetMemoryUtilizationPercentage }}
- type: memory
  metricType: Utilization
  metadata: {value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* A Prometheus query: (list . "<name>" "<query>" <target for each pod>). A lost target must not count as zero. */}}
{{- define "opencode.keda.prometheus" -}}
- type: prometheus
  name: {{ index . 1 }}
  metricType: AverageValue
  metadata:
    serverAddress: {{ (first .).Values.keda.prometheusUrl }}
    query: {{ index . 2 | quote }}
    threshold: {{ index . 3 | quote }}
    ignoreNullValues: "false"
{{- end -}}

{{/* Selector of one component's series: (list . "api") */}}
{{- define "opencode.metrics.selector" -}}
namespace="{{ include "opencode.namespace" . }}",pod=~"{{ include "opencode.name" . }}-.+"
{{- end -}}

{{- define "opencode.keda.apiModifiers" -}}{{- end -}}
{{- define "opencode.keda.api" -}}
{{- include "opencode.keda.resources" (list . "api") }}
{{- $query := printf "sum(rate(http_requests_total{%s}[2m]))" (include "opencode.metrics.selector" (list . "api")) }}
{{ include "opencode.keda.prometheus" (list . "requests" $query .Values.api.requestsPerSecond.target) }}
{{- end -}}

{{- define "opencode.keda.websocketModifiers" -}}{{- end -}}
{{- define "opencode.keda.websocket" -}}
{{- include "opencode.keda.resources" (list . "websocket") }}
{{- $query := printf "sum(opencode_websocket_connections{%s})" (include "opencode.metrics.selector" (list . "websocket")) }}
{{ include "opencode.keda.prometheus" (list . "connections" $query .Values.keda.websocket.connectionsPerPod) }}
{{- end -}}

{{/* A turn that runs keeps its pod as much as one that waits asks for one: the sum counts, not the larger of both. */}}
{{- define "opencode.keda.workerModifiers" -}}
scalingModifiers:
  formula: waiting + running
  target: {{ .Values.worker.turnsPerPod | quote }}
  metricType: AverageValue
{{- end -}}
{{- define "opencode.keda.worker" -}}
{{- if eq .Values.redis.mode "external" -}}
{{- $selector := include "opencode.metrics.selector" (list . "api") -}}
{{- $query := "max(opencode_queue_depth{%s,queue=\"turns\",state=%q})" -}}
{{- $target := .Values.worker.turnsPerPod -}}
{{ include "opencode.keda.prometheus" (list . "waiting" (printf $query $selector "waiting") $target) }}
{{ include "opencode.keda.prometheus" (list . "running" (printf $query $selector "active") $target) }}
{{- else -}}
{{ include "opencode.keda.redis" (list . "waiting" "{opencode}:turns:wait") }}
{{ include "opencode.keda.redis" (list . "running" "{opencode}:turns:active") }}
{{- end }}
{{- end -}}

{{/* Length of a list in Redis: (list . "<name>" "<list>") */}}
{{- define "opencode.keda.redis" -}}
{{- $root := first . -}}
{{- $cluster := eq $root.Values.redis.mode "cluster" -}}
- type: {{ ternary "redis-cluster" "redis" $cluster }}
  name: {{ index . 1 }}
  metricType: AverageValue
  metadata:
    {{ ternary "addresses" "address" $cluster }}: {{ include "opencode.redis.host" $root }}:6379
    listName: {{ index . 2 | quote }}
    listLength: {{ $root.Values.worker.turnsPerPod | quote }}
  authenticationRef:
    name: {{ include "opencode.name" (list $root "worker") }}
{{- end -}}
