{{/*
Label that keeps a pod out of the mesh, or nothing: stores speak protocols of their own and bring their own TLS, Jobs must
end without waiting for a proxy. Root context.
*/}}
{{- define "opencode.mesh.optOut" -}}
{{- if eq .Values.namespaces.mesh "sidecar" -}}
sidecar.istio.io/inject: "false"
{{- else if eq .Values.namespaces.mesh "ambient" -}}
istio.io/dataplane-mode: none
{{- end -}}
{{- end -}}
