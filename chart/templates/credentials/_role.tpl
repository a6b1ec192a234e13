{{/* Rules of the credentials Job: the Secrets it makes, and no others. `create` cannot be narrowed by name. Root context. */}}
{{- define "opencode.credentials.rules" -}}
{{- $names := list -}}
{{- range (include "opencode.credentials.list" . | fromJson).secrets }}{{ $names = append $names .name }}{{ end -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
    {{- $names | uniq | toYaml | nindent 4 }}
  verbs: [get, patch]
{{- end -}}

{{- define "opencode.credentials.binding" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "opencode.name" (list . "credentials") }}
subjects:
  - kind: ServiceAccount
    name: {{ include "opencode.name" (list . "credentials") }}
    namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* Metadata of the objects in the workers' namespace: root context. */}}
{{- define "opencode.credentials.workerMetadata" -}}
name: {{ include "opencode.name" (list . "credentials") }}
namespace: {{ include "opencode.workersNamespace" . | quote }}
labels:
  {{- include "opencode.labels" (list . "credentials") | nindent 2 }}
{{- with include "opencode.annotations" (list .) }}
{{ . }}
{{- end }}
{{- end -}}
