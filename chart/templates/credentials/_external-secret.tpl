{{/*
A whole ExternalSecret, where the credential has `remoteKeys`: (list . "redis" ["worker"]). Of the ticket keys the API gets the private
half, and the sandboxes get the public one.
*/}}
{{- define "opencode.externalSecret" -}}
{{- $root := first . -}}
{{- $source := index $root.Values.credentials (index . 1) -}}
{{- $store := $root.Values.credentials.externalSecrets -}}
{{- if and $source.remoteKeys $store -}}
{{- $keys := $source.remoteKeys -}}
{{- if eq (last .) "sandbox" -}}
{{- $keys = pick $keys $source.publicKeyKey -}}
{{- else if eq (last .) "tickets" -}}
{{- $keys = omit $keys $source.publicKeyKey -}}
{{- end -}}
{{- $name := include "opencode.name" (list $root (index . 1)) -}}
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {{ $name }}
  namespace: {{ include "opencode.namespace" (list $root (last .)) }}
  labels:
    {{- include "opencode.labels" (list $root "credentials") | nindent 4 }}
  {{- with include "opencode.annotations" (list $root) }}
  {{- . | nindent 2 }}
  {{- end }}
spec:
  refreshInterval: {{ $store.refreshInterval }}
  secretStoreRef:
    kind: {{ $store.kind }}
    name: {{ $store.name }}
  target:
    name: {{ $name }}
    creationPolicy: Owner
  data:
    {{- range $key, $remote := $keys }}
    - secretKey: {{ $key }}
      remoteRef:
        {{- toYaml $remote | nindent 8 }}
        # The definition's defaults, without which Argo CD would see a difference for ever.
        conversionStrategy: Default
        decodingStrategy: None
        metadataPolicy: None
    {{- end }}
{{- end -}}
{{- end -}}
