{{/*
Requests and limits of a container with local disk, which the kubelet counts and evicts by: 64 MiB are requested, and the limit holds
512 MiB and the pod's temporary volumes, unless values say otherwise. (list <resources> "<size of a volume>" …)
*/}}
{{- define "opencode.resources" -}}
{{- $resources := first . | default dict -}}
{{- $bytes := 536870912 -}}
{{- range rest . }}{{ $bytes = add $bytes (include "opencode.bytes" .) }}{{ end -}}
{{- $requests := merge (dict) ($resources.requests | default dict) (dict "ephemeral-storage" "64Mi") -}}
{{- $limits := merge (dict) ($resources.limits | default dict) (dict "ephemeral-storage" (printf "%dMi" (div $bytes 1048576))) -}}
{{- dict "requests" $requests "limits" $limits | toYaml -}}
{{- end -}}

{{/* A Kubernetes quantity of bytes as a whole number. */}}
{{- define "opencode.bytes" -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[A-Za-z]+$" $text -}}
{{- $number := trimSuffix $unit $text | float64 -}}
{{- mulf $number (float64 (get $units $unit | default 1)) | int64 -}}
{{- end -}}
