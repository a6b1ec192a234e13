{{/* Variables of the API: root context. */}}
{{- define "opencode.env.api" -}}
{{ include "opencode.env.common" (list . "api") }}
- name: PORT
  value: "3000"
{{ include "opencode.env.database" . }}
{{ include "opencode.env.redis" (list . "api") }}
{{ include "opencode.env.auth" . }}
{{ include "opencode.env.signIn" . }}
- name: SIGN_IN_SECONDS
  value: {{ .Values.api.signIn.absoluteSeconds | quote }}
- name: PUBLIC_URL
  value: {{ include "opencode.publicUrl" . | quote }}
{{ include "opencode.env.apiSecrets" . }}
- name: LLM_CONFIG
  value: /etc/opencode/llm/llm.json
{{- include "opencode.env.llm" . }}
{{ include "opencode.env.sandboxes" . }}
{{ include "opencode.env.limits" .Values.api.limits }}
{{ include "opencode.env.clients" .Values.api }}
{{ include "opencode.env.egress" . }}
{{- end -}}

{{/* Secrets that only the API has: root context. */}}
{{- define "opencode.env.apiSecrets" -}}
{{- $secret := include "opencode.secretName" (list . "api") -}}
{{- $keys := .Values.credentials.api -}}
{{ include "opencode.env.secret" (dict "name" "TURN_TOKEN_SECRET" "secret" $secret "key" $keys.turnTokenSecretKey "optional" true) }}
{{ include "opencode.env.edge" . }}
{{- end -}}

{{/* Secret shared with the edge, where there is one: root context. */}}
{{- define "opencode.env.edge" -}}
{{- $secret := include "opencode.secretName" (list . "api") -}}
{{ include "opencode.env.secret" (dict "name" "EDGE_SECRET" "secret" $secret "key" .Values.credentials.api.edgeSecretKey "optional" true) }}
{{- end -}}

{{/* How the API gives sandboxes to sessions: root context. */}}
{{- define "opencode.env.sandboxes" -}}
{{- $tickets := .Values.credentials.tickets -}}
- name: SANDBOX_NAMESPACE
  value: {{ include "opencode.sandboxesNamespace" . | quote }}
- name: SANDBOX_SELECTOR
  value: {{ include "opencode.sandbox.selectorText" . | quote }}
- name: SANDBOX_OWNER
  value: {{ include "opencode.name" (list . "sandbox") }}
- name: SANDBOX_PORT
  value: "7070"
- name: SANDBOX_IDLE_SECONDS
  value: {{ .Values.sandbox.idleSeconds | quote }}
- name: SANDBOX_MAX_AGE_SECONDS
  value: {{ .Values.sandbox.maxAgeSeconds | quote }}
{{- /* Below the volume's own limit, past which the kubelet evicts the pod. */}}
- name: WORKSPACE_MAX_BYTES
  value: {{ div (mul 19 (include "opencode.bytes" .Values.sandbox.workspace.sizeLimit)) 20 | quote }}
- name: WORKSPACE_MAX_ENTRIES
  value: {{ .Values.sandbox.workspace.entries | int64 | quote }}
- name: SANDBOX_MAX_AWAKE
  value: {{ .Values.sandbox.maxAwake | quote }}
{{ include "opencode.env.secret" (dict "name" "SANDBOX_TICKET_PRIVATE_KEY" "secret" (include "opencode.secretName" (list . "tickets")) "key" $tickets.privateKeyKey) }}
{{- end -}}

{{/* Limits of the API: its `limits`. */}}
{{- define "opencode.env.limits" -}}
- name: TENANT_RATE_LIMIT
  value: {{ .requestsPerMinute | quote }}
- name: TENANT_CONCURRENT_TURNS
  value: {{ .concurrentTurns | quote }}
- name: TURN_SECONDS
  value: {{ .turnSeconds | quote }}
- name: MAX_BODY_BYTES
  value: {{ include "opencode.bytes" .bodySize | quote }}
- name: MAX_BUFFERED_BODY_BYTES
  value: {{ include "opencode.bytes" .bufferedBodies | quote }}
- name: BODY_SECONDS
  value: {{ .bodySeconds | quote }}
{{- end -}}

{{/* Connections of clients: the values of the API. */}}
{{- define "opencode.env.clients" -}}
- name: KEEP_ALIVE_SECONDS
  value: {{ .keepAliveSeconds | quote }}
{{- with .cors.origins }}
- name: CORS_ORIGINS
  value: {{ values . | compact | uniq | sortAlpha | join "," | quote }}
{{- end }}
{{- end -}}
