{{/* The pod of the smoke test against one Service: root context. */}}
{{- define "opencode.rollouts.smokePod" -}}
{{- $host := printf "{{args.service-name}}.%s.svc" .Release.Namespace -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "opencode.imagePullSecrets" (list .) }}
{{ . }}
{{- end }}
securityContext:
  {{- include "opencode.podSecurity" 10001 | nindent 2 }}
containers:
  - name: smoke
    {{- include "opencode.containerImage" (list . .Values.api.image) | nindent 4 }}
    command: [node]
    args: [/app/smoke.mjs]
    env:
      {{- include "opencode.env.smoke" (list . $host) | nindent 6 }}
    resources:
      {{- toYaml .Values.tests.resources | nindent 6 }}
    securityContext:
      {{- include "opencode.containerSecurity" . | nindent 6 }}
{{- end -}}
