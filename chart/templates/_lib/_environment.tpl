{{/* Variables that every service knows: (list . "api") */}}
{{- define "opencode.env.common" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
- name: NODE_ENV
  value: production
- name: REGION
  value: {{ $root.Values.region }}
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

{{/* The user's variables: a map of names to values or sources. */}}
{{- define "opencode.env.extra" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  valueFrom:
    {{- toYaml $value | nindent 4 }}
  {{- else }}
  value: {{ $value | quote }}
  {{- end }}
{{- end }}
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
