{{/* `replicas:` unless an autoscaler or the Rollouts controller owns it: (list . "api") */}}
{{- define "opencode.replicas" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
{{- if not (or $values.autoscaling.enabled (and (eq $component "api") ($root.Values.rollouts).enabled)) -}}
replicas: {{ $values.replicas }}
{{- end -}}
{{- end -}}

{{/* Spec of a Deployment up to its pod template: (list . "api") */}}
{{- define "opencode.deployment.base" -}}
{{- $root := first . -}}
{{- $values := index $root.Values (index . 1) -}}
{{- with include "opencode.replicas" . }}
{{ . }}
{{- end }}
revisionHistoryLimit: 5
strategy:
  type: RollingUpdate
  rollingUpdate:
    {{- toYaml $values.rollingUpdate | nindent 4 }}
selector:
  matchLabels:
    {{- include "opencode.selector" . | nindent 4 }}
{{- end -}}

{{/* A whole ServiceAccount without a token: (list . "api") */}}
{{- define "opencode.serviceAccount" -}}
{{- $root := first . -}}
{{- $account := (index $root.Values (index . 1)).serviceAccount -}}
{{- if $account.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "opencode.serviceAccountName" . | quote }}
  namespace: {{ include "opencode.namespace" . | quote }}
  labels:
    {{- include "opencode.labels" . | nindent 4 }}
  {{- with include "opencode.annotations" (list $root $account.annotations) }}
  {{- . | nindent 2 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{/* A whole PodDisruptionBudget: (list . "api" .Values.api.disruptionBudget) */}}
{{- define "opencode.disruptionBudget" -}}
{{- $budget := index . 2 -}}
{{- if $budget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "opencode.metadata" (list (first .) (index . 1)) | nindent 2 }}
spec:
  maxUnavailable: {{ $budget.maxUnavailable }}
  # A pod that is broken anyway must not hold up a drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "opencode.selector" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{/* A whole HorizontalPodAutoscaler, unless KEDA makes it: (list . "api") */}}
{{- define "opencode.autoscaler" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $scaling := (index $root.Values $component).autoscaling -}}
{{- if and $scaling.enabled (not ($root.Values.keda).enabled) -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "opencode.metadata" (append . $scaling.annotations) | nindent 2 }}
spec:
  scaleTargetRef:
    {{- include "opencode.scaleTarget" . | nindent 4 }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    {{- include "opencode.autoscaler.metrics" . | nindent 4 }}
  behavior:
    {{- toYaml $scaling.behavior | nindent 4 }}
{{- end -}}
{{- end -}}

{{- define "opencode.autoscaler.metrics" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $scaling := (index $root.Values $component).autoscaling -}}
{{- with $scaling.targetCPUUtilizationPercentage }}
- type: Resource
  resource:
    name: cpu
    target: {type: Utilization, averageUtilization: {{ . }}}
{{- end }}
{{- with $scaling.targetMemoryUtilizationPercentage }}
- type: Resource
  resource:
    name: memory
    target: {type: Utilization, averageUtilization: {{ . }}}
{{- end }}
{{- if and (eq $component "api") $root.Values.api.requestsPerSecond.enabled }}
- type: Pods
  pods:
    metric: {name: http_requests_per_second}
    target: {type: AverageValue, averageValue: {{ $root.Values.api.requestsPerSecond.target | quote }}}
{{- end }}
{{- end -}}

{{/* A whole Service in front of a component's port `http`: (list . "api") */}}
{{- define "opencode.service" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $service := (index $root.Values $component).service -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "opencode.metadata" (append . $service.annotations) | nindent 2 }}
spec:
  type: {{ $service.type }}
  {{- with $service.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- with $service.ipFamilies }}
  ipFamilies: {{ toJson . }}
  {{- end }}
  {{- if eq $service.type "LoadBalancer" }}
  {{- with $service.loadBalancerClass }}
  loadBalancerClass: {{ . | quote }}
  {{- end }}
  {{- with $service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges: {{ toJson . }}
  {{- end }}
  {{- end }}
  selector:
    {{- include "opencode.selector" (list $root $component) | nindent 4 }}
  ports:
    - name: http
      port: {{ $service.port }}
      targetPort: http
      appProtocol: http
{{- end -}}
