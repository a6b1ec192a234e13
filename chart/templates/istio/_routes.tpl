{{/* Destinations of a route. Beside a canary the Rollouts controller moves the weights: root context. */}}
{{- define "opencode.istio.route" -}}
- destination:
    host: {{ include "opencode.istio.host" (list . "api") }}
    port: {number: {{ .Values.api.service.port }}}
  weight: 100
{{- if include "opencode.rollouts.splitBy" (list . "istio") }}
- destination:
    host: {{ include "opencode.istio.host" (list . "api" "canary") }}
    port: {number: {{ .Values.api.service.port }}}
  weight: 0
{{- end }}
{{- end -}}

{{/* Whole host name of a Service, as the mesh knows it: (list . "api") */}}
{{- define "opencode.istio.host" -}}
{{ include "opencode.host" . }}.cluster.local
{{- end -}}

{{/* What is safe to repeat whatever the method: nothing of the request was sent. A `reset` may come in the middle of a turn. */}}
{{- define "opencode.istio.safeRetries" -}}
retries:
  attempts: {{ .Values.istio.retries.attempts }}
  retryOn: connect-failure,refused-stream,reset-before-request
{{- end -}}
