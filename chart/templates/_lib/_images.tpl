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

{{/* `imagePullSecrets:`, or nothing: (list .) */}}
{{- define "opencode.imagePullSecrets" -}}
{{- $root := first . -}}
{{- with concat ($root.Values.global.imagePullSecrets | default list) $root.Values.imagePullSecrets | uniq -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
{{- end -}}
