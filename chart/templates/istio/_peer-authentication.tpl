{{/* Only mutual TLS, for the pods of a component: (list . "api"). Prometheus reads metrics from outside the mesh. */}}
{{- define "opencode.istio.peerAuthentication" -}}
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  {{- include "opencode.metadata" . | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "opencode.selector" . | nindent 6 }}
  mtls: {mode: STRICT}
  portLevelMtls:
    9090: {mode: PERMISSIVE}
{{- end -}}
