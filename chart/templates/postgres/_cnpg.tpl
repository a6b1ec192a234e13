{{/* One entry of `externalClusters`: (dict "name" … "cluster" … "objectStore" …) */}}
{{- define "opencode.postgres.externalCluster" -}}
{{- $cluster := .cluster -}}
- name: {{ .name }}
  {{- with $cluster.connectionParameters }}
  connectionParameters:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- range $key := list "password" "sslKey" "sslCert" "sslRootCert" }}
  {{- with index $cluster $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with $cluster.backupServerName }}
  plugin:
    name: barman-cloud.cloudnative-pg.io
    # Defaults of the definition, here and below: Argo CD would see a difference for ever without them.
    enabled: true
    isWALArchiver: false
    parameters:
      barmanObjectName: {{ $.objectStore }}
      serverName: {{ . }}
  {{- end }}
{{- end -}}

{{/* How the cluster begins: empty, or as a copy of another region's. Root context. */}}
{{- define "opencode.postgres.bootstrap" -}}
{{- $postgres := .Values.postgres -}}
{{- $replica := $postgres.cnpg.replica -}}
{{- $source := "" -}}
{{- if $replica.enabled }}{{ $source = $replica.source | default "" }}{{ end -}}
{{- if and $source (ne $replica.self $replica.primary) -}}
{{- if (index $replica.externalClusters $source).connectionParameters -}}
pg_basebackup:
{{- else -}}
recovery:
{{- end }}
  source: {{ $source }}
{{- else -}}
initdb:
{{- end }}
  database: {{ $postgres.database }}
  owner: {{ $postgres.owner }}
{{- end -}}

{{/* Names that the server's certificate must carry beside the operator's own: root context. */}}
{{- define "opencode.postgres.poolerNames" -}}
{{- $name := include "opencode.name" (list . "postgres" "pooler") -}}
- {{ $name }}
- {{ $name }}.{{ .Release.Namespace }}
- {{ $name }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* Spec of the Cluster: root context. */}}
{{- define "opencode.postgres.clusterSpec" -}}
{{- $postgres := .Values.postgres -}}
{{- $cnpg := $postgres.cnpg -}}
instances: {{ $cnpg.instances }}
{{- with $cnpg.imageName }}
imageName: {{ include "opencode.imageReference" (list $ .) }}
{{- end }}
{{- with include "opencode.imagePullSecrets" (list .) }}
{{ . }}
{{- end }}
{{- with include "opencode.mesh.optOut" . }}
inheritedMetadata:
  labels:
    {{- . | nindent 4 }}
{{- end }}
primaryUpdateStrategy: unsupervised
smartShutdownTimeout: {{ $cnpg.smartShutdownTimeout }}
switchoverDelay: {{ $cnpg.switchoverDelay }}
primaryLease:
  {{- toYaml $cnpg.primaryLease | nindent 2 }}
  # Default of the definition: Argo CD would see a difference for ever without it.
  releasedLeaseDurationSeconds: 1
bootstrap:
  {{- include "opencode.postgres.bootstrap" . | nindent 2 }}
{{- if $cnpg.pooler.enabled }}
certificates:
  # The pooler shows its clients this certificate.
  serverAltDNSNames:
    {{- include "opencode.postgres.poolerNames" . | nindent 4 }}
{{- end }}
postgresql:
  parameters:
    {{- toYaml $cnpg.parameters | nindent 4 }}
  {{- if gt (int $cnpg.synchronous.number) 0 }}
  synchronous:
    method: any
    number: {{ $cnpg.synchronous.number }}
    dataDurability: {{ $cnpg.synchronous.dataDurability }}
    failoverQuorum: {{ $cnpg.synchronous.failoverQuorum }}
  {{- end }}
storage:
  {{- include "opencode.postgres.volume" (list . $cnpg.storage) | nindent 2 }}
{{- with $cnpg.walStorage }}
walStorage:
  {{- include "opencode.postgres.volume" (list $ .) | nindent 2 }}
{{- end }}
resources:
  {{- include "opencode.resources" (list $cnpg.resources "4Gi") | nindent 2 }}
affinity:
  {{- include "opencode.postgres.affinity" $cnpg | nindent 2 }}
{{- if $cnpg.backup.enabled }}
plugins:
  - name: barman-cloud.cloudnative-pg.io
    enabled: true
    isWALArchiver: true
    parameters:
      barmanObjectName: {{ include "opencode.name" (list . "postgres" "backup") }}
      {{- with $cnpg.backup.serverName }}
      serverName: {{ . }}
      {{- end }}
{{- end }}
{{- if $cnpg.replica.enabled }}
{{- include "opencode.postgres.replica" . }}
{{- end }}
{{- end -}}

{{/* Volume of an instance: (list . <its size and class>) */}}
{{- define "opencode.postgres.volume" -}}
size: {{ (index . 1).size }}
{{- with (first .).Values.global.storageClass | default (index . 1).storageClass }}
storageClass: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "opencode.postgres.affinity" -}}
enablePodAntiAffinity: true
podAntiAffinityType: {{ .antiAffinity.type }}
topologyKey: {{ .antiAffinity.topologyKey }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
tolerations:
  {{- include "opencode.pod.tolerations" . | nindent 2 }}
{{- end -}}

{{/* Place in the distributed topology: root context. */}}
{{- define "opencode.postgres.replica" -}}
{{- $replica := .Values.postgres.cnpg.replica }}
replica:
  self: {{ $replica.self }}
  primary: {{ $replica.primary }}
  source: {{ $replica.source }}
  {{- with $replica.promotionToken }}
  promotionToken: {{ . | quote }}
  {{- end }}
externalClusters:
  {{- $store := include "opencode.name" (list . "postgres" "backup") }}
  {{- range $name, $cluster := $replica.externalClusters }}
  {{- include "opencode.postgres.externalCluster" (dict "name" $name "cluster" $cluster "objectStore" $store) | nindent 2 }}
  {{- end }}
{{- end -}}
