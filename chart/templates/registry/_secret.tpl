{{/* A whole pull Secret made from `imageCredentials`: (list . "api") for the release's namespace, (list . "worker") and (list . "sandbox") for theirs */}}
{{- define "opencode.registry.secret" -}}
{{- $root := first . -}}
{{- with $root.Values.imageCredentials -}}
{{- $auths := dict -}}
{{- range . -}}
{{- $_ := set $auths .registry (dict "username" .username "password" .password "auth" (printf "%s:%s" .username .password | b64enc)) -}}
{{- end -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "opencode.name" (list $root "registry") | quote }}
  namespace: {{ include "opencode.namespace" (list $root (index $ 1)) | quote }}
  labels:
    {{- include "opencode.labels" (list $root "registry") | nindent 4 }}
  {{- with include "opencode.annotations" (list $root) }}
  {{- . | nindent 2 }}
  {{- end }}
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: {{ dict "auths" $auths | toJson | b64enc }}
{{- end -}}
{{- end -}}
