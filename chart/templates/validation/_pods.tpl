{{- define "opencode.validate.pods" -}}
{{- range $component := list "api" "worker" "websocket" }}
{{- $values := index $.Values $component }}
{{- $needed := add $values.preStopSleepSeconds $values.drainSeconds 5 }}
{{- if lt (int $values.terminationGracePeriodSeconds) (int $needed) }}
- {{ $component }}.terminationGracePeriodSeconds is {{ $values.terminationGracePeriodSeconds }}, but stopping takes preStopSleepSeconds {{ $values.preStopSleepSeconds }} + drainSeconds {{ $values.drainSeconds }} + 5. Set it to {{ $needed }} or more.
{{- end }}
{{- include "opencode.validate.autoscaling" (list $ $component) }}
{{- if not (or $values.serviceAccount.create $values.serviceAccount.name) }}
- {{ $component }}.serviceAccount.create is false without a name. Set {{ $component }}.serviceAccount.name to an account that exists.
{{- end }}
{{- if eq $component "worker" }}
{{- range $name, $mount := $values.engine.extraVolumeMounts }}
{{- if not (hasKey $values.extraVolumes $name) }}
- worker.engine.extraVolumeMounts.{{ $name }} mounts a volume that is not in worker.extraVolumes. Add it there.
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $mount := $values.extraVolumeMounts }}
{{- if not (hasKey $values.extraVolumes $name) }}
- {{ $component }}.extraVolumeMounts.{{ $name }} mounts a volume that is not in {{ $component }}.extraVolumes. Add it there.
{{- end }}
{{- end }}
{{- $update := $values.rollingUpdate }}
{{- if and (eq (toString $update.maxSurge | trimSuffix "%") "0") (eq (toString $update.maxUnavailable | trimSuffix "%") "0") }}
- {{ $component }}.rollingUpdate has maxSurge and maxUnavailable both zero: no pod could ever be replaced. Set one of them to 1.
{{- end }}
{{- end }}
{{- end -}}

{{- define "opencode.validate.autoscaling" -}}
{{- $root := first . -}}
{{- $component := index . 1 -}}
{{- $scaling := (index $root.Values $component).autoscaling -}}
{{- if $scaling.enabled -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
- {{ $component }}.autoscaling.minReplicas is {{ $scaling.minReplicas }}, above maxReplicas {{ $scaling.maxReplicas }}. Raise maxReplicas or lower minReplicas.
{{- end }}
{{- $resource := or $scaling.targetCPUUtilizationPercentage $scaling.targetMemoryUtilizationPercentage }}
{{- $custom := and (eq $component "api") $root.Values.api.requestsPerSecond.enabled }}
{{- if not (or $resource $custom ($root.Values.keda).enabled) }}
- {{ $component }}.autoscaling.enabled is true without any target. Set targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage, or enabled to false.
{{- end }}
{{- end -}}
{{- end -}}

{{/* What only a Service of type LoadBalancer has: a list of networks must not look like a wall that is not there. */}}
{{- define "opencode.validate.services" -}}
{{- range $component := list "api" "websocket" }}
{{- $service := (index $.Values $component).service }}
{{- if ne $service.type "LoadBalancer" }}
{{- range $key := list "loadBalancerClass" "loadBalancerSourceRanges" }}
{{- if index $service $key }}
- {{ $component }}.service.{{ $key }} is set, but {{ $component }}.service.type is "{{ $service.type }}", which has none. Set type to "LoadBalancer", or take {{ $key }} out.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "opencode.validate.namespaces" -}}
{{- with .Values.namespaces }}
{{- if and .main.labels (not .main.create) }}
- namespaces.main.labels is set, but namespaces.main.create is false: nothing would carry them. Set create to true, or label the namespace yourself.
{{- end }}
{{- if and .workers.labels (not .workers.create) }}
- namespaces.workers.labels is set, but namespaces.workers.create is false: nothing would carry them. Set create to true, or label the namespace yourself.
{{- end }}
{{- end }}
{{- if eq (include "opencode.workersNamespace" .) .Release.Namespace }}
- namespaces.workers.name is "{{ .Release.Namespace }}", the release's own namespace, where all the Secrets are. Set it to another one: workers run commands that a model wrote.
{{- end }}
{{- end -}}
