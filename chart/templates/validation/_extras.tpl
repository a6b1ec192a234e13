{{/* What users add to pods may replace the chart's variables, but not those that other objects rely on, nor its volumes. */}}
{{- define "opencode.validate.extras" -}}
{{- $protected := include "opencode.env.protected" . | fromYamlArray -}}
{{- range $path, $names := dict "api.extraEnv" .Values.api.extraEnv "websocket.extraEnv" .Values.websocket.extraEnv "worker.extraEnv" .Values.worker.extraEnv "sandbox.extraEnv" .Values.sandbox.extraEnv }}
{{- range $name, $_ := $names }}
{{- if has $name $protected }}
- {{ $path }}.{{ $name }} is a variable that Services, probes, policies or volumes of the chart rely on. Use another name, or the value that the chart has for it.
{{- end }}
{{- end }}
{{- end }}
{{- range $component := list "api" "worker" "sandbox" "websocket" }}
{{- $values := index $.Values $component }}
{{- range $name, $_ := $values.extraVolumes }}
{{- if has $name (list "tmp" "llm" "postgres-ca" "account" "workspace" "home" "shm") }}
- {{ $component }}.extraVolumes.{{ $name }} has the name of a volume of the chart's. Use another name.
{{- end }}
{{- end }}
{{- range $name, $_ := $values.extraInitContainers }}
{{- if has $name (list $component) }}
- {{ $component }}.extraInitContainers.{{ $name }} has the name of a container of the chart's. Use another name.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
