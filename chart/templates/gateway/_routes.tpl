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

{{/*
One rule to a component's Service: (dict "root" … "component" "api" "path" "/event" "timeout" "0s"); with "next", to the next version
of the API for who asks for it.
*/}}
{{- define "opencode.gateway.rule" -}}
- matches:
    - path: {type: PathPrefix, value: {{ .path }}}
      {{- if .next }}
      headers:
        - {type: Exact, name: x-api-version, value: v2}
      {{- end }}
  timeouts: {request: {{ .timeout }}}
  backendRefs:
    {{- if .next }}
    - {{- include "opencode.gateway.backend" (list .root .component 1 "v2") | nindent 6 }}
    {{- else if and (eq .component "api") (include "opencode.rollouts.splitBy" (list .root "gateway")) }}
    # The Rollouts controller moves the weights.
    - {{- include "opencode.gateway.backend" (list .root .component 100) | nindent 6 }}
    - {{- include "opencode.gateway.backend" (list .root .component 0 "canary") | nindent 6 }}
    {{- else }}
    - {{- include "opencode.gateway.backend" (list .root .component 1) | nindent 6 }}
    {{- end }}
{{- end -}}

{{/* Rules to the API, for every version of it: (dict "root" … "path" "/event" "timeout" "0s") */}}
{{- define "opencode.gateway.apiRules" -}}
{{- if .root.Values.gateway.v2.enabled }}
{{ include "opencode.gateway.rule" (merge (dict "component" "api" "next" true) .) }}
{{- end }}
{{ include "opencode.gateway.rule" (merge (dict "component" "api") .) }}
{{- end -}}

{{/* One backend with every default written out: (list . "api" <weight> ["canary"]) */}}
{{- define "opencode.gateway.backend" -}}
{{- $root := first . -}}
group: ""
kind: Service
name: {{ include "opencode.name" (concat (slice . 0 2) (slice . 3)) }}
port: {{ (index $root.Values (index . 1)).service.port }}
weight: {{ index . 2 }}
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
{{- include "opencode.gateway.apiRules" (dict "root" . "path" "/event" "timeout" "0s") }}
{{- include "opencode.gateway.apiRules" (dict "root" . "path" "/global/event" "timeout" "0s") }}
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
