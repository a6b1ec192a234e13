{{/*
Longest prefix of object names that fits, as YAML, root context. Jobs, Services and Pods' labels hold 63 characters; a StatefulSet's
pods carry its name and an 11-character hash as a label; CloudNativePG takes 50 for a Cluster; the Redis operator appends
"-follower-additional" to Services and the hash to "-follower".
*/}}
{{- define "opencode.names.longest" -}}
{{- $fits := dict "the Services of rollouts" 51 -}}
{{- if .Values.migration.enabled }}{{ $_ := set $fits "migration's Job" 44 }}{{ end -}}
{{- if include "opencode.credentials.list" . }}{{ $_ := set $fits "the Job of credentials.generate" 42 }}{{ end -}}
{{- if eq .Values.postgres.mode "embedded" }}{{ $_ := set $fits "postgres.mode \"embedded\"" 43 }}{{ end -}}
{{- if eq .Values.postgres.mode "cnpg" }}{{ $_ := set $fits "postgres.mode \"cnpg\"" 41 }}{{ end -}}
{{- if eq .Values.redis.mode "embedded" }}{{ $_ := set $fits "redis.mode \"embedded\"" 46 }}{{ end -}}
{{- if eq .Values.redis.mode "cluster" }}{{ $_ := set $fits "redis.mode \"cluster\"" 37 }}{{ end -}}
{{- toYaml $fits -}}
{{- end -}}

{{- define "opencode.validate.names" -}}
{{- $prefix := include "opencode.fullname" . -}}
{{- range $what, $longest := include "opencode.names.longest" . | fromYaml }}
{{- if gt (len $prefix) (int $longest) }}
- object names begin with "{{ $prefix }}", which is {{ len $prefix }} characters long; with what controllers append, {{ $what }} has room for {{ $longest }}. Set fullnameOverride to at most {{ $longest }} characters.
{{- end }}
{{- end }}
{{- end -}}
