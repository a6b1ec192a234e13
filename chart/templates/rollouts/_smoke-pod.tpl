{{/* The pod of the smoke test against one Service: root context. */}}
{{- define "opencode.rollouts.smokePod" -}}
{{- $host := printf "{{args.service-name}}.%s.svc" .Release.Namespace -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "opencode.pod.task" . }}
containers:
  - name: smoke
    {{- include "opencode.containerImage" (list . .Values.api.image) | nindent 4 }}
    command: [node]
    args: [/app/smoke.mjs]
    env:
      {{- include "opencode.env.smoke" (list . $host) | nindent 6 }}
    resources:
      {{- include "opencode.resources" (list .Values.tests.resources) | nindent 6 }}
    securityContext:
      {{- toYaml .Values.api.containerSecurityContext | nindent 6 }}
{{- end -}}
