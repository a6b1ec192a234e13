{{/* A Kubernetes quantity of bytes as a whole number. */}}
{{- define "opencode.bytes" -}}
{{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[A-Za-z]+$" $text -}}
{{- $number := trimSuffix $unit $text | float64 -}}
{{- mulf $number (float64 (get $units $unit | default 1)) | int64 -}}
{{- end -}}
