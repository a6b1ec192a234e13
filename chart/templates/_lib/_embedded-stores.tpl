{{/* Labels and annotations of an embedded store's pod: (list . "postgres" "<its configuration>") */}}
{{- define "opencode.store.podMetadata" -}}
{{- $root := first . -}}
labels:
  {{- include "opencode.labels" (list $root (index . 1) (include "opencode.mesh.optOut" $root | fromYaml)) | nindent 2 }}
{{ include "opencode.annotations" (list $root (dict "checksum/config" (index . 2 | sha256sum | trunc 16))) }}
{{- end -}}

{{/* What every embedded store's pod has: (list . "postgres" <scheduling>). Both images run as user 999. */}}
{{- define "opencode.store.podBase" -}}
{{- $root := first . -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "opencode.imagePullSecrets" . }}
{{ . }}
{{- end }}
securityContext:
  {{- include "opencode.podSecurity" 999 | nindent 2 }}
{{- include "opencode.pod.scheduling" (list $root (index . 1) (index . 2)) }}
{{- end -}}

{{/* Volume `data` of a store without persistence, or nothing: its `persistence`. */}}
{{- define "opencode.store.emptyData" -}}
{{- if not .enabled -}}
- name: data
  emptyDir: {sizeLimit: {{ .size }}}
{{- end -}}
{{- end -}}

{{/* Claim template `data` of a store with persistence, or nothing: its `persistence`. */}}
{{- define "opencode.store.claim" -}}
{{- if .enabled -}}
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: data
    spec:
      {{- include "opencode.store.claimSpec" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{- define "opencode.store.claimSpec" -}}
accessModes: [ReadWriteOnce]
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end -}}
