{{/* Pod of the migration: root context. */}}
{{- define "opencode.migration.pod" -}}
{{ include "opencode.job.podBase" (list . (include "opencode.serviceAccountName" (list . "api")) false) }}
containers:
  - name: migration
    {{- include "opencode.containerImage" (list . .Values.api.image) | nindent 4 }}
    command: [node]
    args: [/app/migrate.mjs]
    env:
      - name: NODE_ENV
        value: production
      - name: LOG_LEVEL
        value: {{ .Values.api.logLevel }}
      {{- include "opencode.env.databaseDirect" . | nindent 6 }}
    resources:
      {{- toYaml .Values.migration.resources | nindent 6 }}
    securityContext:
      {{- include "opencode.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "opencode.postgres.caMount" (list . "direct") | nindent 6 }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- include "opencode.postgres.caVolume" (list . "direct") | nindent 2 }}
{{- end -}}
