{{/* Variables of the supervisor: root context. */}}
{{- define "opencode.env.worker" -}}
{{ include "opencode.env.common" (list . "worker") }}
- name: WORKER_TYPE
  value: tool-execution
- name: WORKSPACE_ROOT
  value: /workspace
- name: API_URL
  value: http://{{ include "opencode.host" (list . "api") }}:{{ .Values.api.service.port }}
{{ include "opencode.env.redis" (list . "worker") }}
- name: LLM_CONFIG
  value: /etc/opencode/llm/llm.json
{{- end -}}

{{/* Variables of the engine's container: root context. */}}
{{- define "opencode.env.engine" -}}
- name: NODE_ENV
  value: production
- name: LOG_LEVEL
  value: {{ .Values.worker.logLevel }}
- name: WORKSPACE_ROOT
  value: /workspace
{{- with (.Values.worker.engine.resources.limits).memory }}
# The engine exits before the kernel ends the container: an eighth of the memory is left to the tools.
- name: ENGINE_MEMORY_MAX_BYTES
  value: {{ div (mul (include "opencode.bytes" .) 7) 8 | quote }}
{{- end }}
{{- end -}}
