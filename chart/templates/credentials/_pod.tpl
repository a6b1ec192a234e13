{{/* Pod of the credentials Job: root context. */}}
{{- define "opencode.credentials.pod" -}}
{{ include "opencode.job.podBase" (list . (include "opencode.name" (list . "credentials")) true) }}
containers:
  - name: credentials
    {{- include "opencode.containerImage" (list . .Values.api.image) | nindent 4 }}
    command: [node]
    args: [/app/secrets.mjs]
    env:
      - name: NODE_ENV
        value: production
      - name: SECRETS_FILE
        value: /etc/opencode/credentials/secrets.json
    resources:
      requests: {cpu: 20m, memory: 64Mi, ephemeral-storage: 64Mi}
      limits: {cpu: 500m, memory: 256Mi, ephemeral-storage: 512Mi}
    securityContext:
      {{- toYaml .Values.api.containerSecurityContext | nindent 6 }}
    volumeMounts:
      - {name: credentials, mountPath: /etc/opencode/credentials, readOnly: true}
volumes:
  - name: credentials
    configMap:
      name: {{ include "opencode.name" (list . "credentials") }}
{{- end -}}
