{{/* Labels and annotations of a component's pods: (list . "api"). A changed model configuration restarts those that read it. */}}
{{- define "opencode.pod.metadata" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
labels:
  {{- include "opencode.labels" (list $root $component $values.podLabels) | nindent 2 }}
{{- $own := dict "kubectl.kubernetes.io/default-container" $component }}
{{- if ne $component "websocket" }}
{{- $_ := set $own "checksum/config" (include "opencode.llm.config" $root | sha256sum | trunc 16) }}
{{- end }}
{{- if and (eq $component "worker") (eq $root.Values.namespaces.mesh "sidecar") }}
{{- /* Sandboxes are outside the mesh: their one long connection does not go through the proxy. */ -}}
{{- $_ := set $own "traffic.sidecar.istio.io/excludeOutboundPorts" "7070" }}
{{- end }}
{{- if not ($root.Values.monitoring).enabled }}
{{- $_ := set $own "prometheus.io/scrape" "true" }}
{{- $_ := set $own "prometheus.io/port" "9090" }}
{{- end }}
{{ include "opencode.annotations" (list $root $own $root.Values.commonAnnotations $values.podAnnotations) }}
{{- end -}}

{{/* Where pods run: (list . "api" .Values.api.scheduling) */}}
{{- define "opencode.pod.scheduling" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $scheduling := index . 2 -}}
{{- with $scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
tolerations:
  {{- include "opencode.pod.tolerations" $scheduling | nindent 2 }}
{{- if $scheduling.affinity }}
affinity:
  {{- toYaml $scheduling.affinity | nindent 2 }}
{{- else if ne $scheduling.spread.nodes "none" }}
affinity:
  podAntiAffinity:
    {{- include "opencode.pod.antiAffinity" . | nindent 4 }}
{{- end }}
{{- if $scheduling.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $scheduling.topologySpreadConstraints | nindent 2 }}
{{- else if ne $scheduling.spread.zones "none" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: {{ $scheduling.spread.zones }}
    # A dead zone's nodes are tainted: counting them would leave the replacements Pending.
    nodeTaintsPolicy: Honor
    # A version's pods spread among themselves; which label tells versions apart depends on whose pods they are.
    matchLabelKeys: [{{ if and (eq $component "api") $root.Values.rollouts.enabled }}rollouts-{{ end }}pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "opencode.selector" (list $root $component) | nindent 8 }}
{{- end }}
{{- with $scheduling.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $scheduling.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- if hasKey $scheduling "hostUsers" }}
hostUsers: {{ $scheduling.hostUsers }}
{{- end }}
{{- end -}}

{{/*
Where and as whom pods run that do one task with the API's image: Jobs, tests, analyses. They follow `api.scheduling`, or a
cluster whose nodes are all tainted could not run them. Nothing to spread: each is one pod. Root context.
*/}}
{{- define "opencode.pod.task" -}}
{{- with include "opencode.imagePullSecrets" (list .) }}
{{ . }}
{{- end }}
securityContext:
  {{- toYaml .Values.api.podSecurityContext | nindent 2 }}
{{- $none := dict "nodes" "none" "zones" "none" }}
{{- $scheduling := merge (dict "spread" $none) (omit .Values.api.scheduling "spread" "topologySpreadConstraints") }}
{{- include "opencode.pod.scheduling" (list . "api" $scheduling) }}
{{- end -}}

{{/* Leave a dead node quickly: Kubernetes waits 300 s by default. */}}
{{- define "opencode.pod.tolerations" -}}
- key: node.kubernetes.io/not-ready
  operator: Exists
  effect: NoExecute
  tolerationSeconds: {{ .unreachableSeconds }}
- key: node.kubernetes.io/unreachable
  operator: Exists
  effect: NoExecute
  tolerationSeconds: {{ .unreachableSeconds }}
{{- with .tolerations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "opencode.pod.antiAffinity" -}}
{{- $selector := include "opencode.selector" . -}}
{{- if eq (index . 2).spread.nodes "required" -}}
requiredDuringSchedulingIgnoredDuringExecution:
  - topologyKey: kubernetes.io/hostname
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
{{- else -}}
preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- $selector | nindent 10 }}
{{- end -}}
{{- end -}}

{{/* What every pod of the three services has: account, security, scheduling, grace. (list . "api") */}}
{{- define "opencode.pod.base" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
serviceAccountName: {{ include "opencode.serviceAccountName" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
{{- with include "opencode.imagePullSecrets" . }}
{{ . }}
{{- end }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- include "opencode.pod.scheduling" (list $root $component $values.scheduling) }}
{{- end -}}

{{/* Liveness, readiness and startup probe of a service's main container: (list .Values.api "http") */}}
{{- define "opencode.container.probes" -}}
{{- $values := first . -}}
{{- $port := index . 1 -}}
startupProbe:
  httpGet: {path: /health/live, port: {{ $port }}}
  {{- toYaml $values.startupProbe | nindent 2 }}
livenessProbe:
  httpGet: {path: /health/live, port: {{ $port }}}
  {{- toYaml $values.livenessProbe | nindent 2 }}
readinessProbe:
  httpGet: {path: /health/ready, port: {{ $port }}}
  {{- toYaml $values.readinessProbe | nindent 2 }}
{{- end -}}

{{/* Keep serving until every proxy has forgotten the pod: component's values. */}}
{{- define "opencode.container.lifecycle" -}}
{{- if .preStopSleepSeconds -}}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .preStopSleepSeconds }}
{{- end -}}
{{- end -}}

{{/* Mounts of the user's volumes: component's values. */}}
{{- define "opencode.container.extraMounts" -}}
{{- range $name, $mount := .extraVolumeMounts }}
- name: {{ $name }}
  {{- toYaml $mount | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The user's volumes: component's values. */}}
{{- define "opencode.pod.extraVolumes" -}}
{{- range $name, $volume := .extraVolumes }}
-
  {{- include "opencode.merged" (list $volume (dict "name" $name)) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The user's init containers: component's values. */}}
{{- define "opencode.pod.extraInitContainers" -}}
{{- range $name, $container := .extraInitContainers }}
-
  {{- include "opencode.merged" (list $container (dict "name" $name)) | nindent 2 }}
{{- end }}
{{- end -}}
