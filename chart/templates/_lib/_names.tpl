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

{{/* Namespace of a component: the workers live apart. */}}
{{- define "opencode.namespace" -}}
{{- $root := first . -}}
{{- if eq (index . 1) "worker" }}{{ $root.Values.namespaces.workers.name }}{{ else }}{{ $root.Release.Namespace }}{{ end -}}
{{- end -}}

{{/* Labels that select a component's pods. Never a version: selectors cannot be changed. */}}
{{- define "opencode.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Values.nameOverride | default $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "opencode.labels" -}}
{{- $root := first . -}}
{{ include "opencode.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: opencode
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* `annotations:` from the common ones and a map at the end of the list; nothing where both are empty. */}}
{{- define "opencode.annotations" -}}
{{- $own := last . -}}
{{- $all := (first .).Values.commonAnnotations -}}
{{- if and (gt (len .) 1) (kindIs "map" $own) }}{{ $all = merge (dict) $own $all }}{{ end -}}
{{- with $all -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "opencode.metadata" -}}
name: {{ include "opencode.name" . }}
namespace: {{ include "opencode.namespace" . }}
labels:
  {{- include "opencode.labels" . | nindent 2 }}
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
