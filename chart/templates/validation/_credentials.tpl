{{- define "opencode.validate.credentials" -}}
{{- $credentials := .Values.credentials -}}
{{- range $name := list "api" "tickets" "postgres" "redis" "llm" }}
{{- $source := index $credentials $name }}
{{- if and $source.existingSecret $source.remoteKeys }}
- credentials.{{ $name }} has both existingSecret "{{ $source.existingSecret }}" and remoteKeys. Set one of them.
{{- end }}
{{- if and $source.remoteKeys (not $credentials.externalSecrets) }}
- credentials.{{ $name }}.remoteKeys is set, but no store to read them from. Set credentials.externalSecrets.
{{- end }}
{{- end }}
{{- include "opencode.validate.required" (list . "api" (list $credentials.api.jwtSecretKey)) }}
{{- include "opencode.validate.tickets" . }}
{{- if eq .Values.postgres.mode "embedded" }}
{{- include "opencode.validate.required" (list . "postgres" (list $credentials.postgres.passwordKey)) }}
{{- else if eq .Values.postgres.mode "external" }}
{{- $keys := prepend .Values.postgres.external.replicaUrlKeys .Values.postgres.external.urlKey }}
{{- if .Values.pgbouncer.enabled }}{{ $keys = append $keys $credentials.postgres.passwordKey }}{{ end }}
{{- include "opencode.validate.required" (list . "postgres" $keys "external") }}
{{- end }}
{{- if eq .Values.redis.mode "external" }}
{{- include "opencode.validate.required" (list . "redis" (list .Values.redis.external.urlKey) "external") }}
{{- else }}
{{- include "opencode.validate.required" (list . "redis" (list $credentials.redis.passwordKey)) }}
{{- end }}
{{- end -}}

{{/* Keys that open sandboxes to workers: one half is the API's, the other one the sandboxes'. Root context. */}}
{{- define "opencode.validate.tickets" -}}
{{- $tickets := .Values.credentials.tickets -}}
{{- include "opencode.validate.required" (list . "tickets" (list $tickets.privateKeyKey $tickets.publicKeyKey)) }}
{{- if and $tickets.existingSecret (not $tickets.existingConfigMap) }}
- credentials.tickets.existingSecret is "{{ $tickets.existingSecret }}", but sandboxes need the public key of it. Set credentials.tickets.existingConfigMap to a ConfigMap in the namespace {{ include "opencode.sandboxesNamespace" . }} with the key "{{ $tickets.publicKeyKey }}".
{{- else if and $tickets.existingConfigMap (not $tickets.existingSecret) }}
- credentials.tickets.existingConfigMap is "{{ $tickets.existingConfigMap }}", but nothing says where its private key is. Set credentials.tickets.existingSecret.
{{- end }}
{{- end -}}

{{/* One credential that is needed: (list . "redis" <keys> ["external": no Job can make it]) */}}
{{- define "opencode.validate.required" -}}
{{- $root := first . -}}
{{- $name := index . 1 -}}
{{- $source := index $root.Values.credentials $name -}}
{{- $external := eq (last . | toString) "external" -}}
{{- if not (or $source.existingSecret $source.remoteKeys) }}
{{- if $external }}
- {{ $name }}.mode is "external", but nothing says where its Secret is. Set credentials.{{ $name }}.existingSecret or remoteKeys, with the keys {{ index . 2 | join ", " }}.
{{- else if not $root.Values.credentials.generate }}
- credentials.generate is false, but credentials.{{ $name }} names no other source. Set credentials.{{ $name }}.existingSecret or remoteKeys, or generate to true.
{{- end }}
{{- else if $source.remoteKeys }}
{{- range index . 2 }}
{{- if not (hasKey $source.remoteKeys .) }}
- credentials.{{ $name }}.remoteKeys lacks the key "{{ . }}". Add it.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "opencode.validate.llm" -}}
{{- $llm := .Values.llm -}}
{{- $source := .Values.credentials.llm -}}
{{- range $name, $provider := $llm.providers }}
{{- with $provider.apiKeySecretKey }}
{{- if not (or $source.existingSecret $source.remoteKeys) }}
- llm.providers.{{ $name }}.apiKeySecretKey is "{{ . }}", but nothing says which Secret holds it. Set credentials.llm.existingSecret or remoteKeys.
{{- else if and $source.remoteKeys (not (hasKey $source.remoteKeys .)) }}
- credentials.llm.remoteKeys lacks the key "{{ . }}" of llm.providers.{{ $name }}. Add it.
{{- end }}
{{- end }}
{{- if and $provider.api (ne $provider.kind "openai") }}
- llm.providers.{{ $name }}.api is "{{ $provider.api }}", but only providers of kind "openai" have a choice. Use kind: openai, or leave api out.
{{- end }}
{{- end }}
{{- range $field := list "model" "smallModel" }}
{{- $parts := splitn "/" 2 (index $llm $field) }}
{{- $provider := index $llm.providers $parts._0 | default dict }}
{{- if not (hasKey ($provider.models | default dict) ($parts._1 | default "")) }}
- llm.{{ $field }} is "{{ index $llm $field }}", which no provider offers. Set it to <provider>/<model> as in llm.providers.
{{- end }}
{{- end }}
{{- end -}}
