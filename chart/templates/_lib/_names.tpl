{{/*
Names and labels. Calling convention of the whole library: a list whose first element is the root context, followed by the
component and further parts of the object's name. A map at the end holds the object's own annotations:

  {{ include "opencode.metadata" (list . "api" "canary" .Values.api.annotations) | nindent 2 }}
*/}}

{{- define "opencode.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of an object: the full name and every string that follows. */}}
{{- define "opencode.name" -}}
{{- $parts := list (include "opencode.fullname" (first .)) -}}
{{- range rest . }}{{ if kindIs "string" . }}{{ $parts = append $parts . }}{{ end }}{{ end -}}
{{- join "-" $parts -}}
{{- end -}}

{{/* Namespace of a component: workers live apart, and sandboxes apart from both. */}}
{{- define "opencode.namespace" -}}
{{- $root := first . -}}
{{- if eq (index . 1) "worker" }}{{ include "opencode.workersNamespace" $root }}{{ else if eq (index . 1) "sandbox" }}{{ include "opencode.sandboxesNamespace" $root }}{{ else }}{{ $root.Release.Namespace }}{{ end -}}
{{- end -}}

{{/* Namespace of the workers: root context. */}}
{{- define "opencode.workersNamespace" -}}
{{- .Values.namespaces.workers.name | default (include "opencode.releaseNamespace" (list . "workers")) -}}
{{- end -}}

{{/* Namespace of the sandboxes: root context. */}}
{{- define "opencode.sandboxesNamespace" -}}
{{- .Values.namespaces.sandboxes.name | default (include "opencode.releaseNamespace" (list . "sandboxes")) -}}
{{- end -}}

{{/*
A further namespace of the release: (list . "workers"). Namespaces are the cluster's, so the name is made of what tells releases
apart; a name that is too long ends with a hash.
*/}}
{{- define "opencode.releaseNamespace" -}}
{{- $root := first . -}}
{{- $suffix := index . 1 -}}
{{- $release := $root.Release.Name -}}
{{- if ne $root.Release.Namespace $root.Release.Name }}{{ $release = printf "%s-%s" $root.Release.Namespace $root.Release.Name }}{{ end -}}
{{- $name := printf "%s-%s" $release $suffix -}}
{{- $room := sub 53 (len $suffix) | int -}}
{{- if gt (len $name) 63 }}{{ $name = printf "%s-%s-%s" ($release | trunc $room | trimSuffix "-") ($release | sha256sum | trunc 8) $suffix }}{{ end -}}
{{- $name -}}
{{- end -}}

{{/* Labels that select a component's pods. Never a version: selectors cannot be changed. */}}
{{- define "opencode.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Values.nameOverride | default $root.Chart.Name | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/*
One map from several, as YAML: of two values for a key the later map's is kept. Labels, annotations and fields that users add are
merged here and nowhere else, so that no key can be rendered twice: Flux and kustomize refuse such YAML.
*/}}
{{- define "opencode.merged" -}}
{{- $all := dict -}}
{{- range . }}{{ range $key, $value := . }}{{ $_ := set $all $key $value }}{{ end }}{{ end -}}
{{- if $all }}{{ toYaml $all }}{{ end -}}
{{- end -}}

{{/* Labels of an object: the chart's, `commonLabels`, then each map that follows. Selectors always stay: (list . "api" <labels> …) */}}
{{- define "opencode.labels" -}}
{{- $root := first . -}}
{{- $own := dict "app.kubernetes.io/version" $root.Chart.AppVersion "app.kubernetes.io/part-of" "opencode" "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $maps := concat (list $own $root.Values.commonLabels) (slice . 2) -}}
{{- include "opencode.merged" (append $maps (include "opencode.selector" . | fromYaml)) -}}
{{- end -}}

{{/* `annotations:` from the common ones and every map of the list; nothing where all are empty: (list . <annotations> …) */}}
{{- define "opencode.annotations" -}}
{{- $maps := list (first .).Values.commonAnnotations -}}
{{- range rest . }}{{ if kindIs "map" . }}{{ $maps = append $maps . }}{{ end }}{{ end -}}
{{- with include "opencode.merged" $maps -}}
annotations:
  {{- . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "opencode.metadata" -}}
name: {{ include "opencode.name" . | quote }}
namespace: {{ include "opencode.namespace" . | quote }}
labels:
  {{- include "opencode.labels" (list (first .) (index . 1)) | nindent 2 }}
{{- with include "opencode.annotations" . }}
{{ . }}
{{- end }}
{{- end -}}

{{/* Host name of a component's Service, reachable from every namespace: (list . "api" ["suffix"]) */}}
{{- define "opencode.host" -}}
{{- include "opencode.name" . }}.{{ include "opencode.namespace" . }}.svc
{{- end -}}

{{- define "opencode.serviceAccountName" -}}
{{- $root := first . -}}
{{- $account := (index $root.Values (index . 1)).serviceAccount | default dict -}}
{{- $account.name | default (include "opencode.name" .) -}}
{{- end -}}

{{/* What an autoscaler scales: the Deployment, or the Rollout that took it over. (list . "api") */}}
{{- define "opencode.scaleTarget" -}}
{{- $root := first . -}}
{{- if and (eq (index . 1) "api") ($root.Values.rollouts).enabled -}}
apiVersion: argoproj.io/v1alpha1
kind: Rollout
{{- else -}}
apiVersion: apps/v1
kind: Deployment
{{- end }}
name: {{ include "opencode.name" . }}
{{- end -}}
