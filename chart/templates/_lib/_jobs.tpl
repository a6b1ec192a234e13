{{/*
A whole Job whose name carries a hash of its whole pod template, which cannot be changed: another template is another Job, so that
neither Helm nor Argo CD tries to change a finished one. (list . "migration" <settings> "<pod spec>")
*/}}
{{- define "opencode.job" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $settings := index . 2 -}}
{{- $template := include "opencode.job.template" (list $root $component (index . 3)) -}}
{{- $hash := printf "%s%s" (toJson (omit $settings "annotations")) $template | sha256sum | trunc 8 -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "opencode.metadata" (list $root $component $hash $settings.annotations) | nindent 2 }}
spec:
  backoffLimit: {{ $settings.backoffLimit }}
  activeDeadlineSeconds: {{ $settings.activeDeadlineSeconds }}
  template:
    {{- $template | nindent 4 }}
{{- end -}}

{{/* Pod template of a Job: (list . "migration" "<pod spec>") */}}
{{- define "opencode.job.template" -}}
{{- $root := first . -}}
metadata:
  labels:
    {{- include "opencode.labels" (list $root (index . 1) (include "opencode.mesh.optOut" $root | fromYaml)) | nindent 4 }}
  {{- with include "opencode.annotations" (list $root) }}
  {{- . | nindent 2 }}
  {{- end }}
spec:
  {{- index . 2 | nindent 2 }}
{{- end -}}

{{/* Pod of a Job: (list . <service account> <mount its token>) */}}
{{- define "opencode.job.podBase" -}}
restartPolicy: OnFailure
serviceAccountName: {{ index . 1 | quote }}
automountServiceAccountToken: {{ index . 2 }}
enableServiceLinks: false
{{- include "opencode.pod.task" (first .) }}
{{- end -}}
