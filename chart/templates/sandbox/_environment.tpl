{{/* Variables of a sandbox: root context. None is a secret: tools may read them all. */}}
{{- define "opencode.env.sandbox" -}}
{{- $sandbox := .Values.sandbox -}}
- name: NODE_ENV
  value: production
- name: POD_UID
  valueFrom:
    fieldRef: {fieldPath: metadata.uid}
- name: TICKET_PUBLIC_KEY
  valueFrom:
    {{- include "opencode.tickets.publicSource" . | nindent 4 }}
- name: PORT
  value: "7070"
- name: HEALTH_PORT
  value: "8081"
- name: WORKSPACE_ROOT
  value: /workspace
- name: LLM_CONFIG
  value: /etc/opencode/llm/llm.json
{{- with values $sandbox.forbiddenTargets | compact | uniq | sortAlpha }}
- name: FORBIDDEN_TARGETS
  value: {{ join "," . | quote }}
{{- end }}
{{- with ($sandbox.resources.limits).memory }}
# The engine exits before the kernel ends the container: an eighth of the memory is left to the tools.
- name: ENGINE_MEMORY_MAX_BYTES
  value: {{ div (mul (include "opencode.bytes" .) 7) 8 | quote }}
{{- end }}
{{- end -}}

{{/* Where a sandbox takes the public half of the ticket keys from: root context. */}}
{{- define "opencode.tickets.publicSource" -}}
{{- $tickets := .Values.credentials.tickets -}}
{{- if $tickets.remoteKeys -}}
secretKeyRef:
  name: {{ include "opencode.name" (list . "tickets") }}
  key: {{ $tickets.publicKeyKey }}
{{- else -}}
configMapKeyRef:
  name: {{ include "opencode.tickets.configMap" . }}
  key: {{ $tickets.publicKeyKey }}
{{- end -}}
{{- end -}}
