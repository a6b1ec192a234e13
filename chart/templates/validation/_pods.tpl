{{- define "opencode.validate.pods" -}}
{{- range $component := list "api" "worker" "websocket" }}
{{- $values := index $.Values $component }}
{{- $needed := add $values.preStopSleepSeconds $values.drainSeconds 5 }}
{{- if lt (int $values.terminationGracePeriodSeconds) (int $needed) }}
- {{ $component }}.terminationGracePeriodSeconds is {{ $values.terminationGracePeriodSeconds }}, but stopping takes preStopSleepSeconds {{ $values.preStopSleepSeconds }} + drainSeconds {{ $values.drainSeconds }} + 5. Set it to {{ $needed }} or more.
{{- end }}
{{- include "opencode.validate.autoscaling" (list $ $component) }}
{{- end }}
{{- range $component := list "api" "worker" "sandbox" "websocket" }}
{{- include "opencode.validate.pod" (list $ $component) }}
{{- end }}
{{- end -}}

{{/* What holds for every pod with values of its kind: (list . "api") */}}
{{- define "opencode.validate.pod" -}}
{{- $component := index . 1 -}}
{{- $values := index (first .).Values $component -}}
{{- if not (or $values.serviceAccount.create $values.serviceAccount.name) }}
- {{ $component }}.serviceAccount.create is false without a name. Set {{ $component }}.serviceAccount.name to an account that exists.
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
{{- range $name := list "main" "workers" "sandboxes" }}
{{- with index $.Values.namespaces $name }}
{{- if and .labels (not .create) }}
- namespaces.{{ $name }}.labels is set, but namespaces.{{ $name }}.create is false: nothing would carry them. Set create to true, or label the namespace yourself.
{{- end }}
{{- end }}
{{- end }}
{{- $workers := include "opencode.workersNamespace" . -}}
{{- $sandboxes := include "opencode.sandboxesNamespace" . -}}
{{- if eq $workers .Release.Namespace }}
- namespaces.workers.name is "{{ $workers }}", the release's own namespace, where all the Secrets are. Set it to another one.
{{- end }}
{{- if eq $sandboxes .Release.Namespace }}
- namespaces.sandboxes.name is "{{ $sandboxes }}", the release's own namespace, where all the Secrets are. Set it to another one: sandboxes run commands that a model wrote.
{{- else if eq $sandboxes $workers }}
- namespaces.sandboxes.name is "{{ $sandboxes }}", the workers' namespace, where Redis' password is. Set it to another one: sandboxes run commands that a model wrote.
{{- end }}
{{- end -}}
