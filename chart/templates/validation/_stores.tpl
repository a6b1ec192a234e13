{{- define "opencode.validate.postgres" -}}
{{- $postgres := .Values.postgres -}}
{{- if and $postgres.cnpg.backup.enabled (ne $postgres.mode "cnpg") }}
- postgres.cnpg.backup.enabled is true, but postgres.mode is "{{ $postgres.mode }}": no backup would be taken. Set postgres.mode to "cnpg", or back up by other means and turn it off.
{{- end }}
{{- if and $postgres.cnpg.replica.enabled (ne $postgres.mode "cnpg") }}
- postgres.cnpg.replica.enabled is true, but postgres.mode is "{{ $postgres.mode }}". Set postgres.mode to "cnpg", or turn it off.
{{- end }}
{{- $instances := int $postgres.cnpg.instances }}
{{- $synchronous := int $postgres.cnpg.synchronous.number }}
{{- if and (eq $postgres.mode "cnpg") (ge $synchronous $instances) (gt $synchronous 0) }}
- postgres.cnpg.synchronous.number is {{ $synchronous }} with postgres.cnpg.instances {{ $instances }}: no transaction could commit. Set instances to {{ add1 $synchronous }} or more, or number to 0.
{{- end }}
{{- with $postgres.cnpg.primaryLease }}
{{- if ge (int .renewDeadlineSeconds) (int .leaseDurationSeconds) }}
- postgres.cnpg.primaryLease.renewDeadlineSeconds is {{ .renewDeadlineSeconds }} with leaseDurationSeconds {{ .leaseDurationSeconds }}: a primary must give up before another one may take its place. Set leaseDurationSeconds to {{ add1 .renewDeadlineSeconds }} or more.
{{- end }}
{{- if le (mul 5 .renewDeadlineSeconds) (mul 6 .retryPeriodSeconds) }}
- postgres.cnpg.primaryLease.retryPeriodSeconds is {{ .retryPeriodSeconds }} with renewDeadlineSeconds {{ .renewDeadlineSeconds }}: the primary could stop before it has tried to renew. Set renewDeadlineSeconds above 1.2 times retryPeriodSeconds.
{{- end }}
{{- end }}
{{- end -}}

{{/* An image that the operator chooses by itself would not come from the mirror. */}}
{{- define "opencode.validate.mirror" -}}
{{- if and .Values.global.imageRegistry (eq .Values.postgres.mode "cnpg") }}
{{- if not .Values.postgres.cnpg.imageName }}
- global.imageRegistry is "{{ .Values.global.imageRegistry }}", but CloudNativePG would pull its own choice of PostgreSQL from ghcr.io. Set postgres.cnpg.imageName.
{{- end }}
{{- if and .Values.postgres.cnpg.pooler.enabled (not .Values.postgres.cnpg.pooler.imageName) }}
- global.imageRegistry is "{{ .Values.global.imageRegistry }}", but CloudNativePG would pull its own choice of PgBouncer from ghcr.io. Set postgres.cnpg.pooler.imageName.
{{- end }}
{{- end }}
{{- end -}}

{{- define "opencode.validate.replica" -}}
{{- $replica := .Values.postgres.cnpg.replica -}}
{{- if and $replica.enabled (eq .Values.postgres.mode "cnpg") -}}
{{- $names := keys $replica.externalClusters | sortAlpha -}}
{{- range $field := list "self" "primary" "source" }}
{{- $name := index $replica $field | default "" }}
{{- if not (has $name $names) }}
- postgres.cnpg.replica.{{ $field }} is "{{ $name }}", which is not among postgres.cnpg.replica.externalClusters ({{ $names | join ", " }}). Name one of them.
{{- end }}
{{- end }}
{{- if and $replica.self (eq $replica.self ($replica.source | default "")) }}
- postgres.cnpg.replica.source and self are both "{{ $replica.self }}": a cluster cannot follow itself. Set source to another region.
{{- end }}
{{- if ne ($replica.self | default "") ($replica.primary | default "") }}
{{- if $replica.promotionToken }}
- postgres.cnpg.replica.promotionToken is set, but primary is "{{ $replica.primary }}", not "{{ $replica.self }}". Set primary and promotionToken together, in the region that is promoted.
{{- end }}
{{- if .Values.migration.enabled }}
- migration.enabled is true, but this region follows the database of "{{ $replica.primary }}" and cannot change its schema. Set migration.enabled to false.
{{- end }}
{{- if not (or .Values.credentials.postgres.existingSecret .Values.credentials.postgres.remoteKeys) }}
- this region follows the database of "{{ $replica.primary }}", but nothing says how to write to it. Set credentials.postgres.existingSecret or remoteKeys with the key "{{ .Values.postgres.external.urlKey }}".
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "opencode.validate.pgbouncer" -}}
{{- $pgbouncer := .Values.pgbouncer -}}
{{- if $pgbouncer.enabled -}}
{{- if eq .Values.postgres.mode "cnpg" }}
- pgbouncer.enabled is true with postgres.mode "cnpg". Use postgres.cnpg.pooler.enabled instead and set pgbouncer.enabled to false.
{{- else if eq .Values.postgres.mode "embedded" }}
- pgbouncer.enabled is true with postgres.mode "embedded", which needs no pooler. Set pgbouncer.enabled to false, or postgres.mode to "external".
{{- end }}
{{- if not $pgbouncer.host }}
- pgbouncer.enabled is true without pgbouncer.host. Set it to the host name of the database.
{{- end }}
{{- if and (hasPrefix "verify" $pgbouncer.serverTlsMode) (not .Values.postgres.external.caConfigMap) }}
- pgbouncer.serverTlsMode is "{{ $pgbouncer.serverTlsMode }}" without a certificate authority. Set postgres.external.caConfigMap, or serverTlsMode to "require".
{{- end }}
{{- end -}}
{{- end -}}

{{- define "opencode.validate.redis" -}}
{{- if and (eq .Values.redis.mode "cluster") (lt (int .Values.redis.cluster.clusterSize) 3) }}
- redis.cluster.clusterSize is {{ .Values.redis.cluster.clusterSize }}: a Redis Cluster has at least 3 leaders. Set it to 3 or more, or redis.mode to "embedded".
{{- end }}
{{- end -}}
