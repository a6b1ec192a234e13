{{/* Labels and annotations of an embedded store's pod: (list . "postgres" "<its configuration>") */}}
{{- define "opencode.store.podMetadata" -}}
{{- $root := first . -}}
labels:
  {{- include "opencode.labels" (list $root (index . 1) (include "opencode.mesh.optOut" $root | fromYaml)) | nindent 2 }}
{{ include "opencode.annotations" (list $root (dict "checksum/config" (index . 2 | sha256sum | trunc 16))) }}
{{- end -}}

{{/* What every store's pod has: (list . "postgres" <its values>) */}}
{{- define "opencode.store.podBase" -}}
{{- $root := first . -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "opencode.imagePullSecrets" . }}
{{ . }}
{{- end }}
securityContext:
  {{- toYaml (index . 2).podSecurityContext | nindent 2 }}
{{- include "opencode.pod.scheduling" (list $root (index . 1) (index . 2).scheduling) }}
{{- end -}}

{{/* Volume `data` of a store without persistence or with a claim that is there already, or nothing: its `persistence`. */}}
{{- define "opencode.store.emptyData" -}}
{{- if not .enabled -}}
- name: data
  emptyDir: {sizeLimit: {{ .size }}}
{{- else if .existingClaim -}}
- name: data
  persistentVolumeClaim: {claimName: {{ .existingClaim }}}
{{- end -}}
{{- end -}}

{{/* Claim template `data` of a store with persistence, or nothing: (list . <its persistence>) */}}
{{- define "opencode.store.claim" -}}
{{- $persistence := index . 1 -}}
{{- if and $persistence.enabled (not $persistence.existingClaim) -}}
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: data
    spec:
      {{- include "opencode.store.claimSpec" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{/* Spec of a claim: (list . <its size and class>) */}}
{{- define "opencode.store.claimSpec" -}}
accessModes: [ReadWriteOnce]
{{- with (first .).Values.global.storageClass | default (index . 1).storageClass }}
storageClassName: {{ . | quote }}
{{- end }}
resources:
  requests:
    storage: {{ (index . 1).size }}
{{- end -}}
