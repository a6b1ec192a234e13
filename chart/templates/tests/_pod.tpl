{{/* A whole test pod of `helm test`: (list . "<name>" "<program>") */}}
{{- define "opencode.test" -}}
{{- $root := first . -}}
{{- if $root.Values.tests.enabled -}}
apiVersion: v1
kind: Pod
metadata:
  {{- $hook := dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation" }}
  {{- include "opencode.metadata" (list $root "test" (index . 1) $hook) | nindent 2 }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- include "opencode.pod.task" $root | nindent 2 }}
  containers:
    - name: test
      {{- include "opencode.containerImage" (list $root $root.Values.api.image) | nindent 6 }}
      command: [node]
      args: [{{ index . 2 }}]
      env:
        {{- include "opencode.env.smoke" (list $root (include "opencode.host" (list $root "api"))) | nindent 8 }}
      resources:
        {{- include "opencode.resources" (list $root.Values.tests.resources) | nindent 8 }}
      securityContext:
        {{- toYaml $root.Values.api.containerSecurityContext | nindent 8 }}
{{- end -}}
{{- end -}}

{{/* Variables of the smoke test, which Rollouts run too: (list . "<API host>") */}}
{{- define "opencode.env.smoke" -}}
{{- $root := first . -}}
- name: API_URL
  value: http://{{ index . 1 }}:{{ $root.Values.api.service.port }}
{{- if $root.Values.websocket.enabled }}
- name: WEBSOCKET_URL
  value: ws://{{ include "opencode.host" (list $root "websocket") }}:{{ $root.Values.websocket.service.port }}/ws
{{- end }}
{{ include "opencode.env.auth" $root }}
{{ include "opencode.env.edge" $root }}
{{- end -}}
