{{/*
A whole Role of the credentials Job in one namespace: the Secrets it makes there, and no others. `create` cannot be narrowed by name,
and an empty list of names would mean all of them. (list . "credentials"), or (list . "worker")
*/}}
{{- define "opencode.credentials.role" -}}
{{- $root := first . -}}
{{- with include "opencode.credentials.names" (list $root (include "opencode.namespace" .)) -}}
{{- include "opencode.credentials.roleObject" (list $root (index $ 1) "secrets" .) -}}
{{- end -}}
{{- end -}}

{{/* (list . "<component>" "<resources>" "<names, YAML>") */}}
{{- define "opencode.credentials.roleObject" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "opencode.credentials.metadata" . | nindent 2 }}
rules:
  - apiGroups: [""]
    resources: [{{ index . 2 }}]
    verbs: [create]
  - apiGroups: [""]
    resources: [{{ index . 2 }}]
    resourceNames:
      {{- index . 3 | nindent 6 }}
    verbs: [get, patch]
{{- end -}}

{{/* A whole RoleBinding for that Role: (list . "<component>") */}}
{{- define "opencode.credentials.binding" -}}
{{- $root := first . -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "opencode.credentials.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "opencode.name" (list $root "credentials") }}
subjects:
  - kind: ServiceAccount
    name: {{ include "opencode.name" (list $root "credentials") }}
    namespace: {{ $root.Release.Namespace }}
{{- end -}}

{{/* Metadata of the Job's objects in the namespace of a component: (list . "worker") */}}
{{- define "opencode.credentials.metadata" -}}
{{- $root := first . -}}
name: {{ include "opencode.name" (list $root "credentials") }}
namespace: {{ include "opencode.namespace" . | quote }}
labels:
  {{- include "opencode.labels" (list $root "credentials") | nindent 2 }}
{{- with include "opencode.annotations" (list $root) }}
{{ . }}
{{- end }}
{{- end -}}
