{{/* Variables that every service knows: (list . "api") */}}
{{- define "opencode.env.common" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
- name: NODE_ENV
  value: production
- name: REGION
  value: {{ $root.Values.region | quote }}
- name: LOG_LEVEL
  value: {{ $values.logLevel }}
- name: DRAIN_SECONDS
  value: {{ $values.drainSeconds | quote }}
- name: METRICS_PORT
  value: "9090"
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
- name: OTEL_SERVICE_NAME
  value: {{ printf "opencode-%s" $component }}
{{- with $root.Values.tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ $root.Values.tracing.sampler }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $root.Values.tracing.ratio | quote }}
{{- end }}
{{- end -}}

{{/*
Variables of a container: the chart's, then the user's. Of a name that both have, the user's stands in the chart's place, where
later variables may refer to it: Helm 4 refuses a name that is there twice. (list "<the chart's, YAML>" .Values.api.extraEnv)
*/}}
{{- define "opencode.env.all" -}}
{{- $extra := index . 1 -}}
{{- $names := list -}}
{{- range first . | fromYamlArray }}
{{- $names = append $names .name }}
{{- if hasKey $extra .name }}
{{ include "opencode.env.extra" (list .name (get $extra .name)) }}
{{- else }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- range $name, $value := $extra }}
{{- if not (has $name $names) }}
{{ include "opencode.env.extra" (list $name $value) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* One variable of the user's, a text or a source: (list "<name>" <value>) */}}
{{- define "opencode.env.extra" -}}
- name: {{ first . }}
  {{- if kindIs "map" (index . 1) }}
  valueFrom:
    {{- toYaml (index . 1) | nindent 4 }}
  {{- else }}
  value: {{ index . 1 | quote }}
  {{- end }}
{{- end -}}

{{/* Variables that Services, probes, policies, volumes and the grace period rely on, so that `extraEnv` may not replace them. */}}
{{- define "opencode.env.protected" -}}
[PORT, METRICS_PORT, HEALTH_PORT, POD_NAME, POD_NAMESPACE, POD_UID, DRAIN_SECONDS, LLM_CONFIG, WORKSPACE_ROOT, DATABASE_SSL_CA, TICKET_PUBLIC_KEY, FORBIDDEN_TARGETS, TURNS_PER_POD, SANDBOX_NAMESPACE, SANDBOX_SELECTOR, SANDBOX_OWNER, SANDBOX_PORT]
{{- end -}}

{{/* One variable from a key of a Secret: (dict "name" … "secret" … "key" … "optional" true) */}}
{{- define "opencode.env.secret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* Keys that check users' tokens: root context. */}}
{{- define "opencode.env.auth" -}}
{{- $secret := include "opencode.secretName" (list . "api") -}}
{{- $keys := .Values.credentials.api -}}
{{ include "opencode.env.secret" (dict "name" "JWT_SECRET" "secret" $secret "key" $keys.jwtSecretKey) }}
{{ include "opencode.env.secret" (dict "name" "JWT_SECRET_PREVIOUS" "secret" $secret "key" $keys.jwtSecretPreviousKey "optional" true) }}
- name: JWT_ISSUER
  value: {{ .Values.api.auth.issuer | quote }}
- name: JWT_AUDIENCE
  value: {{ .Values.api.auth.audience | quote }}
{{- with .Values.api.auth.jwksUrl }}
- name: JWT_JWKS_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* What both the API and the WebSocket handlers must know of browsers that are signed in: root context. */}}
{{- define "opencode.env.signIn" -}}
- name: SIGN_IN_IDLE_SECONDS
  value: {{ .Values.api.signIn.idleSeconds | quote }}
- name: TRUSTED_PROXIES
  value: {{ .Values.api.signIn.trustedProxies | quote }}
{{- end -}}

{{/* Address at which browsers reach the API: the value, the first public host, or this machine's port-forward: root context. */}}
{{- define "opencode.publicUrl" -}}
{{- $hosts := include "opencode.hosts" (list . false) | fromYamlArray -}}
{{- if .Values.api.publicUrl -}}
{{ .Values.api.publicUrl }}
{{- else if $hosts -}}
https://{{ first $hosts }}
{{- else -}}
http://127.0.0.1:3000
{{- end -}}
{{- end -}}
