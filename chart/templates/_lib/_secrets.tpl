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

{{/* ConfigMap with the public half of the ticket keys, in the sandboxes' namespace: root context. */}}
{{- define "opencode.tickets.configMap" -}}
{{- .Values.credentials.tickets.existingConfigMap | default (include "opencode.name" (list . "tickets")) -}}
{{- end -}}

{{/*
What the credentials Job makes, as JSON: root context. One random value each, the same in every namespace listed; and key pairs, whose
private half is in a Secret and whose public half is in a ConfigMap elsewhere. Empty where there is nothing to make.
*/}}
{{- define "opencode.credentials.list" -}}
{{- $root := . -}}
{{- $main := list .Release.Namespace -}}
{{- $both := list .Release.Namespace (include "opencode.workersNamespace" .) -}}
{{- $secrets := list -}}
{{- $pairs := list -}}
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
{{- if include "opencode.generated" (list . "tickets") -}}
{{- $private := dict "namespace" .Release.Namespace "name" (include "opencode.secretName" (list . "tickets")) "key" $keys.tickets.privateKeyKey -}}
{{- $public := dict "namespace" (include "opencode.sandboxesNamespace" .) "name" (include "opencode.tickets.configMap" .) "key" $keys.tickets.publicKeyKey -}}
{{- $pairs = append $pairs (dict "private" $private "public" $public) -}}
{{- end -}}
{{- if or $secrets $pairs -}}
{{- dict "labels" (dict "app.kubernetes.io/part-of" "opencode" "app.kubernetes.io/instance" .Release.Name) "secrets" $secrets "keyPairs" $pairs | toPrettyJson -}}
{{- end -}}
{{- end -}}

{{/* Names of the Secrets that the Job looks after in a namespace, as a YAML list: (list . "<namespace>") */}}
{{- define "opencode.credentials.names" -}}
{{- $namespace := index . 1 -}}
{{- $names := list -}}
{{- with include "opencode.credentials.list" (first .) | fromJson -}}
{{- range .secrets }}{{ if has $namespace .namespaces }}{{ $names = append $names .name }}{{ end }}{{ end -}}
{{- range .keyPairs }}{{ if eq $namespace .private.namespace }}{{ $names = append $names .private.name }}{{ end }}{{ end -}}
{{- end -}}
{{- with $names | uniq }}{{ toYaml . }}{{ end -}}
{{- end -}}
