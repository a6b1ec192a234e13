{{/* "true" where a canary's traffic is split by "istio" or "gateway": (list . "istio") */}}
{{- define "opencode.rollouts.splitBy" -}}
{{- $rollouts := (first .).Values.rollouts -}}
{{- if and $rollouts.enabled (eq $rollouts.strategy "canary") (eq $rollouts.canary.trafficRouting (index . 1)) -}}true{{- end -}}
{{- end -}}

{{/* How the Rollout moves traffic: root context. */}}
{{- define "opencode.rollouts.blueGreen" -}}
{{- $settings := .Values.rollouts.blueGreen -}}
activeService: {{ include "opencode.name" (list . "api") }}
previewService: {{ include "opencode.name" (list . "api" "preview") }}
autoPromotionEnabled: {{ $settings.autoPromotionEnabled }}
previewReplicaCount: {{ $settings.previewReplicaCount }}
scaleDownDelaySeconds: {{ $settings.scaleDownDelaySeconds }}
# Before the switch the preview has no traffic to measure: a smoke test makes its own.
prePromotionAnalysis:
  {{- include "opencode.rollouts.analysis" (list . "preview" "smoke-test") | nindent 2 }}
postPromotionAnalysis:
  {{- include "opencode.rollouts.analysis" (list . "preview" "success-rate") | nindent 2 }}
{{- end -}}

{{- define "opencode.rollouts.canary" -}}
{{- $settings := .Values.rollouts.canary -}}
canaryService: {{ include "opencode.name" (list . "api" "canary") }}
stableService: {{ include "opencode.name" (list . "api") }}
{{- if ne $settings.trafficRouting "none" }}
# The stable version keeps its pods until a while after it was replaced, so that going back takes no time; the price is twice
# the pods during a release (dynamicStableScale would give them up together with their traffic).
scaleDownDelaySeconds: 30
trafficRouting:
  {{- include (printf "opencode.rollouts.%sRouting" $settings.trafficRouting) . | nindent 2 }}
{{- end }}
steps:
  {{- toYaml $settings.steps | nindent 2 }}
analysis:
  startingStep: {{ $settings.analysisStartingStep }}
  {{- include "opencode.rollouts.analysis" (list . "canary" "success-rate" "smoke-test") | nindent 2 }}
{{- end -}}

{{- define "opencode.rollouts.istioRouting" -}}
istio:
  virtualService:
    name: {{ include "opencode.name" (list . "api") }}
    routes: [reads, streams, writes]
{{- end -}}

{{- define "opencode.rollouts.gatewayRouting" -}}
plugins:
  argoproj-labs/gatewayAPI:
    namespace: {{ .Release.Namespace }}
    httpRoutes:
      - name: {{ include "opencode.name" (list . "api") }}
      {{- if include "opencode.hosts" (list . true) }}
      - name: {{ include "opencode.name" (list . "events") }}
      {{- end }}
{{- end -}}

{{/* Templates and their arguments: (list . "<Service suffix>" "<template>" …) */}}
{{- define "opencode.rollouts.analysis" -}}
{{- $root := first . -}}
templates:
  {{- range slice . 2 }}
  - templateName: {{ include "opencode.name" (list $root "api" .) }}
  {{- end }}
args:
  - name: service-name
    value: {{ include "opencode.name" (list $root "api" (index . 1)) }}
  - name: pod-hash
    valueFrom: {podTemplateHashValue: Latest}
{{- end -}}

{{/* A second Service in front of the API's pods; the Rollouts controller narrows its selector: (list . "preview") */}}
{{- define "opencode.rollouts.service" -}}
{{- $root := first . -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "opencode.metadata" (list $root "api" (index . 1)) | nindent 2 }}
spec:
  selector:
    {{- include "opencode.selector" (list $root "api") | nindent 4 }}
  ports:
    - name: http
      port: {{ $root.Values.api.service.port }}
      targetPort: http
      appProtocol: http
{{- end -}}
