{{/* Host of the primary, never through a pooler: root context. */}}
{{- define "opencode.postgres.primary" -}}
{{- if eq .Values.postgres.mode "cnpg" }}{{ include "opencode.host" (list . "postgres" "rw") }}{{ else }}{{ include "opencode.host" (list . "postgres") }}{{ end -}}
{{- end -}}

{{/* Host that the application connects to: root context. */}}
{{- define "opencode.postgres.host" -}}
{{- if and (eq .Values.postgres.mode "cnpg") .Values.postgres.cnpg.pooler.enabled -}}
{{- include "opencode.host" (list . "postgres" "pooler") -}}
{{- else if and (eq .Values.postgres.mode "external") .Values.pgbouncer.enabled -}}
{{- include "opencode.host" (list . "pgbouncer") -}}
{{- else -}}
{{- include "opencode.postgres.primary" . -}}
{{- end -}}
{{- end -}}

{{/* Database variables with the URL of a host, or of the Secret where the host is "": (list . "<host>" ["direct"]) */}}
{{- define "opencode.env.databaseUrl" -}}
{{- $root := first . -}}
{{- $host := index . 1 -}}
{{- $postgres := $root.Values.postgres -}}
{{- $secret := include "opencode.secretName" (list $root "postgres") -}}
{{- $key := $root.Values.credentials.postgres.passwordKey -}}
{{- if $host -}}
{{- if eq $postgres.mode "cnpg" -}}
{{- /* The operator makes the owner's Secret. */ -}}
{{- $secret = include "opencode.name" (list $root "postgres" "app") -}}
{{- $key = "password" -}}
{{- end -}}
{{ include "opencode.env.secret" (dict "name" "POSTGRES_PASSWORD" "secret" $secret "key" $key) }}
- name: DATABASE_URL
  value: {{ printf "postgres://%s:$(POSTGRES_PASSWORD)@%s:5432/%s" $postgres.owner $host $postgres.database }}
{{- else -}}
{{ include "opencode.env.secret" (dict "name" "DATABASE_URL" "secret" $secret "key" $postgres.external.urlKey) }}
{{- end }}
{{- if include "opencode.postgres.caVolume" (list $root (last . | toString)) }}
- name: DATABASE_SSL_CA
  value: /etc/opencode/postgres/ca.crt
{{- end }}
{{- end -}}

{{/*
"true" where the URLs are in the Secret of `credentials.postgres`: an external database, or a region that follows another
one's primary and so cannot be written to. Root context.
*/}}
{{- define "opencode.postgres.urlsInSecret" -}}
{{- $replica := .Values.postgres.cnpg.replica -}}
{{- if eq .Values.postgres.mode "external" -}}true
{{- else if and (eq .Values.postgres.mode "cnpg") $replica.enabled (ne $replica.self $replica.primary) -}}true
{{- end -}}
{{- end -}}

{{/* Database variables of the API and the WebSocket handlers: root context. */}}
{{- define "opencode.env.database" -}}
{{- $inSecret := include "opencode.postgres.urlsInSecret" . -}}
{{- $pooled := and (eq .Values.postgres.mode "external") .Values.pgbouncer.enabled -}}
{{ include "opencode.env.databaseUrl" (list . (ternary "" (include "opencode.postgres.host" .) (and (not $pooled) (eq $inSecret "true")))) }}
{{- if $inSecret }}
{{- $secret := include "opencode.secretName" (list . "postgres") }}
{{- range $index, $key := .Values.postgres.external.replicaUrlKeys }}
{{ include "opencode.env.secret" (dict "name" (printf "DATABASE_REPLICA_%d_URL" (add1 $index)) "secret" $secret "key" $key) }}
{{- end }}
{{- else if and (eq .Values.postgres.mode "cnpg") (gt (int .Values.postgres.cnpg.instances) 1) }}
{{- $host := include "opencode.host" (list . "postgres" "ro") }}
- name: DATABASE_REPLICA_1_URL
  value: {{ printf "postgres://%s:$(POSTGRES_PASSWORD)@%s:5432/%s" .Values.postgres.owner $host .Values.postgres.database }}
{{- end }}
{{- end -}}

{{/* Database variables of the migration, which must not go through a pooler: root context. */}}
{{- define "opencode.env.databaseDirect" -}}
{{- $inSecret := eq (include "opencode.postgres.urlsInSecret" .) "true" -}}
{{ include "opencode.env.databaseUrl" (list . (ternary "" (include "opencode.postgres.primary" .) $inSecret) "direct") }}
{{- end -}}

{{/*
Volume with the certificate authority of the server that a pod speaks with, or nothing: (list .), or (list . "direct") where
no pooler is between.
*/}}
{{- define "opencode.postgres.caVolume" -}}
{{- $root := first . -}}
{{- $postgres := $root.Values.postgres -}}
{{- $pooled := and (eq $postgres.mode "external") $root.Values.pgbouncer.enabled (ne (last . | toString) "direct") -}}
{{- if $pooled -}}
{{- with $root.Values.pgbouncer.clientTlsSecret -}}
- name: postgres-ca
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end -}}
{{- else if include "opencode.postgres.urlsInSecret" $root -}}
{{- with $postgres.external.caConfigMap -}}
- name: postgres-ca
  configMap:
    name: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end -}}
{{- else if eq $postgres.mode "cnpg" -}}
- name: postgres-ca
  secret:
    secretName: {{ include "opencode.name" (list $root "postgres" "ca") }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end -}}
{{- end -}}

{{/* Mount of that volume, or nothing. */}}
{{- define "opencode.postgres.caMount" -}}
{{- if include "opencode.postgres.caVolume" . -}}
- name: postgres-ca
  mountPath: /etc/opencode/postgres
  readOnly: true
{{- end -}}
{{- end -}}

{{/* "cluster" or "single": root context. */}}
{{- define "opencode.redis.topology" -}}
{{- if eq .Values.redis.mode "external" }}{{ .Values.redis.external.topology }}{{ else }}{{ ternary "cluster" "single" (eq .Values.redis.mode "cluster") }}{{ end -}}
{{- end -}}

{{/* Host of Redis in modes `embedded` and `cluster`: root context. */}}
{{- define "opencode.redis.host" -}}
{{- if eq .Values.redis.mode "cluster" }}{{ include "opencode.host" (list . "redis" "leader") }}{{ else }}{{ include "opencode.host" (list . "redis") }}{{ end -}}
{{- end -}}

{{/* Redis variables of a component: (list . "worker") */}}
{{- define "opencode.env.redis" -}}
{{- $root := first . -}}
{{- $secret := include "opencode.secretName" (list $root "redis" (index . 1)) -}}
{{- if eq $root.Values.redis.mode "external" -}}
{{ include "opencode.env.secret" (dict "name" "REDIS_URL" "secret" $secret "key" $root.Values.redis.external.urlKey) }}
{{- else -}}
{{ include "opencode.env.secret" (dict "name" "REDIS_PASSWORD" "secret" $secret "key" $root.Values.credentials.redis.passwordKey) }}
- name: REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "opencode.redis.host" $root }}:6379
{{- end }}
- name: REDIS_MODE
  value: {{ include "opencode.redis.topology" $root }}
{{- end -}}
