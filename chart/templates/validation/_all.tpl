{{/*
Every combination of values that cannot work, as lines that begin with "- ": what was set, and what to set instead. All are
collected, so that one attempt tells everything. A new file of checks is one more line here. Root context.
*/}}
{{- define "opencode.validate" -}}
{{- include "opencode.validate.postgres" . }}
{{- include "opencode.validate.replica" . }}
{{- include "opencode.validate.pgbouncer" . }}
{{- include "opencode.validate.redis" . }}
{{- include "opencode.validate.mirror" . }}
{{- include "opencode.validate.credentials" . }}
{{- include "opencode.validate.llm" . }}
{{- include "opencode.validate.pods" . }}
{{- include "opencode.validate.services" . }}
{{- include "opencode.validate.extras" . }}
{{- include "opencode.validate.names" . }}
{{- include "opencode.validate.labels" . }}
{{- include "opencode.validate.namespaces" . }}
{{- include "opencode.validate.rollouts" . }}
{{- end -}}
