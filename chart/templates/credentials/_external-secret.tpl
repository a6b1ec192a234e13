{{/* A whole ExternalSecret, where the credential has `remoteKeys`: (list . "redis" ["worker"]) */}}
{{- define "opencode.externalSecret" -}}
{{- $root := first . -}}
{{- $source := index $root.Values.credentials (index . 1) -}}
{{- $store := $root.Values.credentials.externalSecrets -}}
{{- if and $source.remoteKeys $store -}}
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
    {{- range $key, $remote := $source.remoteKeys }}
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
