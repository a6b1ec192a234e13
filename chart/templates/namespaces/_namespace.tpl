{{/* A whole Namespace: (list . "<name>" <labels>) */}}
{{- define "opencode.namespaceObject" -}}
{{- $root := first . -}}
{{- $settings := $root.Values.namespaces -}}
apiVersion: v1
kind: Namespace
metadata:
  name: {{ index . 1 }}
  labels:
    app.kubernetes.io/part-of: opencode
    app.kubernetes.io/managed-by: {{ $root.Release.Service }}
    pod-security.kubernetes.io/enforce: {{ $settings.podSecurity }}
    pod-security.kubernetes.io/warn: {{ $settings.podSecurity }}
    {{- if eq $settings.mesh "sidecar" }}
    istio-injection: enabled
    {{- else if eq $settings.mesh "ambient" }}
    istio.io/dataplane-mode: ambient
    {{- end }}
    {{- with merge (dict) (index . 2) $root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "opencode.annotations" (list $root) }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
