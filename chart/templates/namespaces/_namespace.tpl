{{/* A whole Namespace: (list . "<name>" <labels>). Sandboxes never join a mesh, whatever the cluster's own default: (list . "<name>" <labels> "none") */}}
{{- define "opencode.namespaceObject" -}}
{{- $root := first . -}}
{{- $settings := $root.Values.namespaces -}}
apiVersion: v1
kind: Namespace
metadata:
  name: {{ index . 1 | quote }}
  labels:
    {{- $own := dict "app.kubernetes.io/part-of" "opencode" "app.kubernetes.io/managed-by" $root.Release.Service }}
    {{- $_ := set $own "pod-security.kubernetes.io/enforce" $settings.podSecurity }}
    {{- $_ := set $own "pod-security.kubernetes.io/warn" $settings.podSecurity }}
    {{- if eq (last . | toString) "none" }}
    {{- $_ := set $own "istio-injection" "disabled" }}
    {{- $_ := set $own "istio.io/dataplane-mode" "none" }}
    {{- else if eq $settings.mesh "sidecar" }}
    {{- $_ := set $own "istio-injection" "enabled" }}
    {{- else if eq $settings.mesh "ambient" }}
    {{- $_ := set $own "istio.io/dataplane-mode" "ambient" }}
    {{- end }}
    {{- include "opencode.merged" (list $own $root.Values.commonLabels (index . 2)) | nindent 4 }}
  {{- with include "opencode.annotations" (list $root) }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
