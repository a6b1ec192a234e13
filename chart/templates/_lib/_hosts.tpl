{{/* Public host names as a YAML list: (list . <streams only>) */}}
{{- define "opencode.hosts" -}}
{{- $streams := index . 1 -}}
{{- range $name, $entry := (first .).Values.hosts }}
{{- if eq $entry.streams $streams }}
- {{ $entry.host | quote }}
{{- end }}
{{- end }}
{{- end -}}
