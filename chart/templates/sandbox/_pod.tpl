{{/* What of the labels tells sandboxes in the pool from those that belong to a session; a claim changes it. */}}
{{- define "opencode.sandbox.unclaimed" -}}
opencode.io/sandbox: unclaimed
{{- end -}}

{{/* Labels of the sandboxes in the pool: root context. */}}
{{- define "opencode.sandbox.selector" -}}
{{ include "opencode.selector" (list . "sandbox") }}
{{ include "opencode.sandbox.unclaimed" . }}
{{- end -}}

{{/* The same as a label selector in one line: root context. */}}
{{- define "opencode.sandbox.selectorText" -}}
{{- $parts := list -}}
{{- range $key, $value := include "opencode.sandbox.selector" . | fromYaml }}{{ $parts = append $parts (printf "%s=%s" $key $value) }}{{ end -}}
{{- join "," $parts -}}
{{- end -}}

{{/* Labels and annotations of the sandboxes: root context. They never join a mesh, whatever a cluster injects by default. */}}
{{- define "opencode.sandbox.podMetadata" -}}
{{- $mesh := dict "sidecar.istio.io/inject" "false" "istio.io/dataplane-mode" "none" -}}
labels:
  {{- include "opencode.labels" (list . "sandbox" .Values.sandbox.podLabels $mesh (include "opencode.sandbox.unclaimed" . | fromYaml)) | nindent 2 }}
{{- $own := dict "kubectl.kubernetes.io/default-container" "sandbox" }}
{{- $_ := set $own "checksum/config" (include "opencode.llm.sandboxConfig" . | sha256sum | trunc 16) }}
{{- /* Local volumes would keep a node from being taken away. */ -}}
{{- $_ := set $own "cluster-autoscaler.kubernetes.io/safe-to-evict" "true" }}
{{ include "opencode.annotations" (list . $own .Values.commonAnnotations .Values.sandbox.podAnnotations) }}
{{- end -}}

{{/* Probes of a sandbox: root context. Nothing but the kubelet reaches this port. */}}
{{- define "opencode.sandbox.probes" -}}
startupProbe:
  httpGet: {path: /live, port: health}
  {{- toYaml .Values.sandbox.startupProbe | nindent 2 }}
livenessProbe:
  httpGet: {path: /live, port: health}
  {{- toYaml .Values.sandbox.livenessProbe | nindent 2 }}
readinessProbe:
  httpGet: {path: /ready, port: health}
  {{- toYaml .Values.sandbox.readinessProbe | nindent 2 }}
{{- end -}}
