{{/* Secret of a credential, api, postgres, redis or llm, as a component's namespace knows it: (list . "redis" ["worker"]) */}}
{{- define "opencode.secretName" -}}
{{- $root := first . -}}
{{- $source := index $root.Values.credentials (index . 1) -}}
{{- if and (eq (last .) "worker") $source.workersExistingSecret -}}
{{- $source.workersExistingSecret -}}
{{- else -}}
{{- $source.existingSecret | default (include "opencode.name" (list $root (index . 1))) -}}
{{- end -}}
{{- end -}}

{{/* "true" where the Job of `credentials.generate` makes this credential: (list . "redis") */}}
{{- define "opencode.generated" -}}
{{- $root := first . -}}
{{- $source := index $root.Values.credentials (index . 1) -}}
{{- if and $root.Values.credentials.generate (not $source.existingSecret) (not $source.remoteKeys) -}}true{{- end -}}
{{- end -}}

{{/*
What the credentials Job makes, as JSON: root context. One random value each, the same in every namespace listed.
Empty where there is nothing to make.
*/}}
{{- define "opencode.credentials.list" -}}
{{- $root := . -}}
{{- $main := list .Release.Namespace -}}
{{- $both := list .Release.Namespace (include "opencode.workersNamespace" .) -}}
{{- $secrets := list -}}
{{- $keys := .Values.credentials -}}
{{- if include "opencode.generated" (list . "api") -}}
{{- $secrets = append $secrets (dict "name" (include "opencode.name" (list . "api")) "key" $keys.api.jwtSecretKey "bytes" 32 "namespaces" $main) -}}
{{- end -}}
{{- if and (eq .Values.postgres.mode "embedded") (include "opencode.generated" (list . "postgres")) -}}
{{- $secrets = append $secrets (dict "name" (include "opencode.name" (list . "postgres")) "key" $keys.postgres.passwordKey "bytes" 32 "namespaces" $main) -}}
{{- end -}}
{{- if and (ne .Values.redis.mode "external") (include "opencode.generated" (list . "redis")) -}}
{{- $secrets = append $secrets (dict "name" (include "opencode.name" (list . "redis")) "key" $keys.redis.passwordKey "bytes" 32 "namespaces" $both) -}}
{{- end -}}
{{- if $secrets -}}
{{- dict "labels" (dict "app.kubernetes.io/part-of" "opencode" "app.kubernetes.io/instance" .Release.Name) "secrets" $secrets | toPrettyJson -}}
{{- end -}}
{{- end -}}
