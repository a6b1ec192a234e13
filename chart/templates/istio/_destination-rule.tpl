{{/* A whole DestinationRule: (list . "api" ["suffix"]) */}}
{{- define "opencode.istio.destinationRule" -}}
{{- $outlier := (first .).Values.istio.outlierDetection -}}
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  {{- include "opencode.metadata" . | nindent 2 }}
spec:
  host: {{ include "opencode.istio.host" . }}
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL}
    outlierDetection:
      {{- toYaml $outlier | nindent 6 }}
{{- end -}}
