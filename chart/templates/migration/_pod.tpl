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
      {{- include "opencode.resources" (list .Values.migration.resources "64Mi") | nindent 6 }}
    securityContext:
      {{- toYaml .Values.api.containerSecurityContext | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "opencode.postgres.caMount" (list . "direct") | nindent 6 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  {{- include "opencode.postgres.caVolume" (list . "direct") | nindent 2 }}
{{- end -}}
