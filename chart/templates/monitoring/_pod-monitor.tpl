{{/* A whole PodMonitor: (list . "api") */}}
{{- define "opencode.podMonitor" -}}
{{- $root := first . -}}
{{- if $root.Values.monitoring.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  {{- include "opencode.monitoring.metadata" . | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "opencode.selector" . | nindent 6 }}
  # The hash tells a canary's series from the stable version's.
  podTargetLabels: [app.kubernetes.io/component, rollouts-pod-template-hash]
  podMetricsEndpoints:
    - port: metrics
      path: /metrics
      interval: {{ $root.Values.monitoring.interval }}
{{- end -}}
{{- end -}}

{{/* Metadata of an object that Prometheus chooses by labels: (list . "api") */}}
{{- define "opencode.monitoring.metadata" -}}
name: {{ include "opencode.name" . }}
namespace: {{ include "opencode.namespace" . }}
labels:
  {{- include "opencode.labels" (list (first .) (index . 1) (first .).Values.monitoring.labels) | nindent 2 }}
{{- with include "opencode.annotations" (list (first .)) }}
{{ . }}
{{- end }}
{{- end -}}
