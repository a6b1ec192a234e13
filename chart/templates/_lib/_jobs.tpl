{{/*
A whole Job whose name carries a hash of its content, so that neither Helm nor Argo CD tries to change a finished Job: a new
content is a new Job, the same content the same. (list . "migration" <settings> "<pod spec>")
*/}}
{{- define "opencode.job" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $settings := index . 2 -}}
{{- $pod := index . 3 -}}
{{- $hash := printf "%s%s" (toJson (omit $settings "annotations")) $pod | sha256sum | trunc 8 -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "opencode.metadata" (list $root $component $hash $settings.annotations) | nindent 2 }}
spec:
  backoffLimit: {{ $settings.backoffLimit }}
  activeDeadlineSeconds: {{ $settings.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "opencode.selector" (list $root $component) | nindent 8 }}
        {{- with include "opencode.mesh.optOut" $root }}
        {{- . | nindent 8 }}
        {{- end }}
    spec:
      {{- $pod | nindent 6 }}
{{- end -}}

{{/* What a Job's pod has: (list . <service account> <mount its token>) */}}
{{- define "opencode.job.podBase" -}}
restartPolicy: OnFailure
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: {{ index . 2 }}
enableServiceLinks: false
{{- with include "opencode.imagePullSecrets" . }}
{{ . }}
{{- end }}
securityContext:
  {{- include "opencode.podSecurity" 10001 | nindent 2 }}
{{- end -}}
