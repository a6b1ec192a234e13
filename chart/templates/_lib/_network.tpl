{{/*
Pieces of NetworkPolicies, to be read as prose: who may come in, where one may go. Ports are those of the containers,
because policies see traffic after a Service has chosen its pod.
*/}}

{{/* Pods of a component, whatever the namespace of the policy: (list . "api") */}}
{{- define "opencode.np.pods" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ include "opencode.namespace" . }}
podSelector:
  matchLabels:
    {{- include "opencode.selector" . | nindent 4 }}
{{- end -}}

{{/* Ingress on a port from components: (list . 5432 "api" "websocket") */}}
{{- define "opencode.np.fromComponents" -}}
{{- $root := first . -}}
- ports: [{port: {{ index . 1 }}, protocol: TCP}]
  from:
    {{- range slice . 2 }}
    -
      {{- include "opencode.np.pods" (list $root .) | nindent 6 }}
    {{- end }}
{{- end -}}

{{/* Ingress on a port from the clients of the service: (list . 3000) */}}
{{- define "opencode.np.fromClients" -}}
- ports: [{port: {{ index . 1 }}, protocol: TCP}]
  {{- with (first .).Values.networkPolicy.clients }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Ingress on a port from whoever reads metrics: (list . 9090) */}}
{{- define "opencode.np.fromMonitoring" -}}
- ports: [{port: {{ index . 1 }}, protocol: TCP}]
  from:
    {{- with (first .).Values.networkPolicy.monitoring }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    - namespaceSelector: {}
    {{- end }}
{{- end -}}

{{/* Egress to the cluster's name servers. */}}
{{- define "opencode.np.toDns" -}}
{{- $dns := .Values.networkPolicy.dns -}}
- ports:
    {{- range $dns.ports }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with $dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Egress to the Kubernetes API server, which has an address of no pod: root context. */}}
{{- define "opencode.np.toApiServer" -}}
{{- $server := .Values.networkPolicy.apiServer -}}
{{ include "opencode.np.toPorts" $server.ports }}
  {{- with $server.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Egress to any address on ports: a list of them. */}}
{{- define "opencode.np.toPorts" -}}
- ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{/* Egress to a component: (list . "api" 3000) */}}
{{- define "opencode.np.toComponent" -}}
- ports: [{port: {{ index . 2 }}, protocol: TCP}]
  to:
    -
      {{- include "opencode.np.pods" . | nindent 6 }}
{{- end -}}

{{/* Egress to the pods that a label selects in the release's namespace: (list . 5432 "<label>" "<value>" …) */}}
{{- define "opencode.np.toLabelled" -}}
{{- $root := first . -}}
- ports: [{port: {{ index . 1 }}, protocol: TCP}]
  to:
    {{- range slice . 3 }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ $root.Release.Namespace }}
      podSelector:
        matchLabels:
          {{ index $ 2 }}: {{ . }}
    {{- end }}
{{- end -}}

{{/* Egress to the database the application uses: root context. */}}
{{- define "opencode.np.toPostgres" -}}
{{- if eq .Values.postgres.mode "embedded" -}}
{{ include "opencode.np.toComponent" (list . "postgres" 5432) }}
{{- else if eq .Values.postgres.mode "cnpg" -}}
{{ include "opencode.np.toLabelled" (list . 5432 "cnpg.io/cluster" (include "opencode.name" (list . "postgres"))) }}
{{ include "opencode.np.toLabelled" (list . 5432 "cnpg.io/poolerName" (include "opencode.name" (list . "postgres" "pooler"))) }}
{{- if include "opencode.postgres.urlsInSecret" . }}
{{- $replica := .Values.postgres.cnpg.replica }}
{{- $primary := (index $replica.externalClusters $replica.primary).connectionParameters | default dict }}
# The primary in another region.
- ports: [{port: {{ $primary.port | default 5432 }}, protocol: TCP}]
{{- end }}
{{- else -}}
{{- if .Values.pgbouncer.enabled }}
{{ include "opencode.np.toComponent" (list . "pgbouncer" 5432) }}
{{- end }}
# The external database: its addresses are in a Secret.
{{ include "opencode.np.toPorts" .Values.postgres.external.ports }}
{{- end }}
{{- end -}}

{{/* Egress to Redis: root context. */}}
{{- define "opencode.np.toRedis" -}}
{{- if eq .Values.redis.mode "embedded" -}}
{{ include "opencode.np.toComponent" (list . "redis" 6379) }}
{{- else if eq .Values.redis.mode "cluster" -}}
{{- $name := include "opencode.name" (list . "redis") -}}
{{ include "opencode.np.toLabelled" (list . 6379 "app" (printf "%s-leader" $name) (printf "%s-follower" $name)) }}
{{- else -}}
# The external Redis: its address is in a Secret.
{{ include "opencode.np.toPorts" .Values.redis.external.ports }}
{{- end }}
{{- end -}}

{{/* Egress to the OpenTelemetry collector, or nothing: root context. */}}
{{- define "opencode.np.toTracing" -}}
{{- with .Values.tracing.endpoint }}
- ports: [{port: {{ (urlParse .).host | regexFind "[0-9]+$" | default (ternary "443" "80" (hasPrefix "https:" .)) }}, protocol: TCP}]
{{- end }}
{{- end -}}

{{/* Egress to HTTPS anywhere, save the networks that nobody may reach: root context. */}}
{{- define "opencode.np.toInternet" -}}
{{- $blocked := .Values.networkPolicy.blockedCidrs -}}
- ports:
    - {port: 443, protocol: TCP}
    {{- with .Values.api.auth.jwksUrl }}
    {{- $port := (urlParse .).host | regexFind ":[0-9]+$" | trimPrefix ":" | default (ternary "443" "80" (hasPrefix "https:" .)) }}
    {{- if ne $port "443" }}
    - {port: {{ $port }}, protocol: TCP}
    {{- end }}
    {{- end }}
  to:
    {{- range $network := list "0.0.0.0/0" "::/0" }}
    {{- $except := list }}
    {{- range $blocked }}{{ if eq (contains ":" .) (contains ":" $network) }}{{ $except = append $except . }}{{ end }}{{ end }}
    - ipBlock:
        cidr: {{ $network | quote }}
        {{- with $except }}
        except:
          {{- range . }}
          - {{ . | quote }}
          {{- end }}
        {{- end }}
    {{- end }}
{{- end -}}

{{/* Egress to a URL, where HTTPS to the internet does not cover it: another port, a blocked network, a Service of this cluster. */}}
{{- define "opencode.np.toUrl" -}}
{{- $host := (urlParse .).host }}
{{- $name := regexReplaceAll ":[0-9]+$" $host "" }}
{{- $port := $host | regexFind ":[0-9]+$" | trimPrefix ":" | default (ternary "443" "80" (hasPrefix "https:" .)) }}
{{- if regexMatch "^[a-z0-9-]+\\.[a-z0-9-]+\\.svc(\\.|$)" $name }}
# A Service may map its port to any other of its pods.
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ index (splitList "." $name) 1 }}
{{- else if regexMatch "^[0-9]+(\\.[0-9]+){3}$" $name }}
- ports: [{port: {{ $port }}, protocol: TCP}]
  to:
    - ipBlock:
        cidr: {{ $name }}/32
{{- else if ne $port "443" }}
- ports: [{port: {{ $port }}, protocol: TCP}]
{{- end }}
{{- end -}}

{{/* Egress of the user's own, by name: .Values.networkPolicy.apiEgress */}}
{{- define "opencode.np.extraEgress" -}}
{{- range $name, $allowed := . }}
# {{ $name }}
- to:
    {{- toYaml $allowed.to | nindent 4 }}
  {{- with $allowed.ports }}
  ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What a mesh's proxies need beside: root context. */}}
{{- define "opencode.np.meshEgress" -}}
{{- if ne .Values.namespaces.mesh "none" }}
# istiod, and other pods' tunnels
- ports:
    - {port: 15012, protocol: TCP}
    - {port: 15008, protocol: TCP}
  to:
    - namespaceSelector: {}
{{- end }}
{{- end -}}
{{- define "opencode.np.meshIngress" -}}
{{- if eq .Values.namespaces.mesh "ambient" }}
# The mesh's tunnel carries all traffic on one port; AuthorizationPolicies say what may come through it.
- ports: [{port: 15008, protocol: TCP}]
{{- end }}
{{- end -}}

{{/* A policy up to its rules: (list . "api" "Ingress" "Egress") */}}
{{- define "opencode.np.head" -}}
{{- $name := list (first .) (index . 1) -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "opencode.metadata" $name | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "opencode.selector" $name | nindent 6 }}
  policyTypes: [{{ slice . 2 | join ", " }}]
{{- end -}}

{{/* Ingress to Redis from KEDA's operator, which reads the queue's length and lives in any namespace: root context. */}}
{{- define "opencode.np.fromKeda" -}}
{{- if .Values.keda.enabled }}
# KEDA --> Redis; its manifests and its Helm chart both set this label
- ports: [{port: 6379, protocol: TCP}]
  from:
    - namespaceSelector: {}
      podSelector:
        matchLabels:
          app: keda-operator
{{- end }}
{{- end -}}
