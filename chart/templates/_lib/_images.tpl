{{/* Reference of an image: (list . .Values.api.image). A digest wins over a tag; an own image's tag is the appVersion. */}}
{{- define "opencode.image" -}}
{{- $root := first . -}}
{{- $image := index . 1 -}}
{{- $registry := $root.Values.global.imageRegistry | default $image.registry -}}
{{- if $image.digest -}}
{{ printf "%s/%s@%s" $registry $image.repository $image.digest }}
{{- else -}}
{{ printf "%s/%s:%s" $registry $image.repository ($image.tag | default $root.Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* `image:` and `imagePullPolicy:` of a container. */}}
{{- define "opencode.containerImage" -}}
image: {{ include "opencode.image" . }}
imagePullPolicy: {{ (index . 1).pullPolicy }}
{{- end -}}

{{/* `imagePullSecrets:`, or nothing; each is written as a name or as an object with one: (list .) */}}
{{- define "opencode.imagePullSecrets" -}}
{{- $root := first . -}}
{{- $names := list -}}
{{- if $root.Values.imageCredentials }}{{ $names = append $names (include "opencode.name" (list $root "registry")) }}{{ end -}}
{{- range concat ($root.Values.global.imagePullSecrets | default list) $root.Values.imagePullSecrets -}}
{{- $names = append $names (kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") .) -}}
{{- end -}}
{{- with $names | uniq -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Whole reference of an image that an operator starts, with `global.imageRegistry`: (list . "<reference>") */}}
{{- define "opencode.imageReference" -}}
{{- $registry := (first .).Values.global.imageRegistry -}}
{{- $host := index . 1 | splitn "/" 2 -}}
{{- if not $registry -}}
{{ index . 1 }}
{{- else if or (contains "." $host._0) (contains ":" $host._0) (eq $host._0 "localhost") -}}
{{ $registry }}/{{ $host._1 }}
{{- else -}}
{{ $registry }}/{{ index . 1 }}
{{- end -}}
{{- end -}}
