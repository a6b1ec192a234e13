{{/* Annotations of an Ingress: (list . <further ones>) */}}
{{- define "opencode.ingress.annotations" -}}
{{- $ingress := (first .).Values.ingress -}}
{{- $issuer := dict -}}
{{- if and $ingress.tls.enabled $ingress.clusterIssuer }}{{ $_ := set $issuer "cert-manager.io/cluster-issuer" $ingress.clusterIssuer }}{{ end -}}
{{- include "opencode.merged" (list $issuer $ingress.annotations (index . 1)) -}}
{{- end -}}

{{/* Spec of an Ingress: (list . <streams only> "<TLS Secret>") */}}
{{- define "opencode.ingress.spec" -}}
{{- $root := first . -}}
{{- $streams := index . 1 -}}
{{- $hosts := include "opencode.hosts" (list $root $streams) | fromYamlArray -}}
ingressClassName: {{ $root.Values.ingress.className }}
{{- if and $root.Values.ingress.tls.enabled $hosts }}
tls:
  - secretName: {{ index . 2 }}
    hosts:
      {{- toYaml $hosts | nindent 6 }}
{{- end }}
rules:
  {{- range $hosts }}
  - host: {{ . | quote }}
    {{- include "opencode.ingress.paths" $root | nindent 4 }}
  {{- else }}
  - {{- include "opencode.ingress.paths" $root | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Paths of one host. What only workers call leads to a Service port that is not there: root context. */}}
{{- define "opencode.ingress.paths" -}}
http:
  paths:
    - path: /internal
      pathType: Prefix
      backend:
        service:
          name: {{ include "opencode.name" (list . "nowhere") }}
          port: {name: http}
    {{- if .Values.websocket.enabled }}
    - path: /ws
      pathType: Prefix
      backend:
        service:
          name: {{ include "opencode.name" (list . "websocket") }}
          port: {name: http}
    {{- end }}
    - path: /
      pathType: Prefix
      backend:
        service:
          name: {{ include "opencode.name" (list . "api") }}
          port: {name: http}
{{- end -}}
