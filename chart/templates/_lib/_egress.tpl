{{/* Variables for calls that leave the cluster, or nothing: root context. What is in the cluster needs no proxy. */}}
{{- define "opencode.env.egress" -}}
{{- $egress := .Values.egress -}}
{{- with $egress.proxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
- name: HTTP_PROXY
  value: {{ . | quote }}
# Node's own clients, such as that of traces.
- name: NODE_USE_ENV_PROXY
  value: "1"
{{- end }}
{{- if or $egress.proxy $egress.noProxy }}
- name: NO_PROXY
  value: {{ concat (list "localhost" "127.0.0.1" ".svc" ".cluster.local") $egress.noProxy | join "," | quote }}
{{- end }}
{{- if $egress.caConfigMap }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/opencode/ca/ca.crt
{{- end }}
{{- end -}}

{{/* Volume with private certificate authorities, or nothing: root context. */}}
{{- define "opencode.egress.caVolume" -}}
{{- with .Values.egress.caConfigMap -}}
- name: egress-ca
  configMap:
    name: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end -}}
{{- end -}}

{{- define "opencode.egress.caMount" -}}
{{- if .Values.egress.caConfigMap -}}
- name: egress-ca
  mountPath: /etc/opencode/ca
  readOnly: true
{{- end -}}
{{- end -}}
