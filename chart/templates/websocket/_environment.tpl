{{/* Variables of the WebSocket handlers: root context. */}}
{{- define "opencode.env.websocket" -}}
{{ include "opencode.env.common" (list . "websocket") }}
- name: PORT
  value: "3001"
- name: API_URL
  value: http://{{ include "opencode.host" (list . "api") }}:{{ .Values.api.service.port }}
{{ include "opencode.env.database" . }}
{{ include "opencode.env.redis" (list . "websocket") }}
{{ include "opencode.env.auth" . }}
{{ include "opencode.env.signIn" . }}
{{ include "opencode.env.edge" . }}
{{ include "opencode.env.egress" . }}
{{- end -}}
