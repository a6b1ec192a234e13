{{/* Labels that select pods cannot be changed by anyone, so a value for one would be ignored. */}}
{{- define "opencode.validate.labels" -}}
{{- $maps := dict "commonLabels" .Values.commonLabels "monitoring.labels" .Values.monitoring.labels "monitoring.dashboards.labels" .Values.monitoring.dashboards.labels -}}
{{- range $component := list "api" "worker" "sandbox" "websocket" }}{{ $_ := set $maps (printf "%s.podLabels" $component) (index $.Values $component).podLabels }}{{ end -}}
{{- $selecting := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" -}}
{{- range $path, $labels := $maps }}
{{- range $label, $_ := $labels }}
{{- if has $label $selecting }}
- {{ $path }} has "{{ $label }}", by which Services and policies find pods. Use another label, or nameOverride for the name.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
