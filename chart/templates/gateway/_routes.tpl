{{/* Which Gateway a route attaches to: root context. */}}
{{- define "opencode.gateway.parent" -}}
parentRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    {{- with .Values.gateway.parent }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    name: {{ include "opencode.name" (list .) }}
    {{- end }}
{{- end -}}

{{/* One rule to a component's Service: (dict "root" … "component" "api" "path" "/event" "timeout" "0s") */}}
{{- define "opencode.gateway.rule" -}}
- matches:
    - path: {type: PathPrefix, value: {{ .path }}}
  timeouts: {request: {{ .timeout }}}
  backendRefs:
    - name: {{ include "opencode.name" (list .root .component) }}
      port: {{ (index .root.Values .component).service.port }}
      {{- if and (eq .component "api") (include "opencode.rollouts.splitBy" (list .root "gateway")) }}
      weight: 100
    - name: {{ include "opencode.name" (list .root .component "canary") }}
      port: {{ (index .root.Values .component).service.port }}
      # The Rollouts controller moves the weights.
      weight: 0
      {{- end }}
{{- end -}}

{{/* Rules for what never ends, and for what must not be reached from outside: root context. */}}
{{- define "opencode.gateway.streamRules" -}}
# Only workers call these, inside the cluster. A rule without a backend answers with an error.
- matches:
    - path: {type: PathPrefix, value: /internal}
{{- if .Values.websocket.enabled }}
{{ include "opencode.gateway.rule" (dict "root" . "component" "websocket" "path" "/ws" "timeout" "0s") }}
{{- end }}
# A stream has no time limit: Envoy Gateway would otherwise end it after 15 s.
{{ include "opencode.gateway.rule" (dict "root" . "component" "api" "path" "/event" "timeout" "0s") }}
{{ include "opencode.gateway.rule" (dict "root" . "component" "api" "path" "/global/event" "timeout" "0s") }}
{{- end -}}

{{/* Port and protocol of a listener: the gateway's `tls`. */}}
{{- define "opencode.gateway.listener" -}}
allowedRoutes:
  namespaces: {from: Same}
{{- if .enabled }}
port: {{ .port }}
protocol: HTTPS
tls:
  mode: Terminate
  certificateRefs:
    - {group: "", kind: Secret, name: {{ .secretName }}}
{{- else }}
port: 80
protocol: HTTP
{{- end }}
{{- end -}}
