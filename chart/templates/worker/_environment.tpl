{{/* Variables of the worker: root context. */}}
{{- define "opencode.env.worker" -}}
{{ include "opencode.env.common" (list . "worker") }}
- name: WORKER_TYPE
  value: tool-execution
- name: TURNS_PER_POD
  value: {{ .Values.worker.turnsPerPod | quote }}
- name: API_URL
  value: http://{{ include "opencode.host" (list . "api") }}:{{ .Values.api.service.port }}
{{ include "opencode.env.redis" (list . "worker") }}
- name: LLM_CONFIG
  value: /etc/opencode/llm/llm.json
{{- end -}}
