{{/* Leaders or followers of the RedisCluster: (list . "leader") */}}
{{- define "opencode.redis.members" -}}
{{- $root := first . -}}
{{- $role := index . 1 -}}
{{- $cluster := $root.Values.redis.cluster -}}
{{- $app := printf "%s-%s" (include "opencode.name" (list $root "redis")) $role -}}
pdb:
  enabled: true
  maxUnavailable: 1
tolerations:
  {{- include "opencode.pod.tolerations" $cluster.scheduling | nindent 2 }}
{{- with $cluster.scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $cluster.scheduling.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- else }}
{{- if ne $cluster.scheduling.spread.nodes "none" }}
affinity:
  podAntiAffinity:
    {{- include "opencode.redis.antiAffinity" (list $cluster.scheduling.spread.nodes $app) | nindent 4 }}
{{- end }}
{{- end }}
{{- with $cluster.scheduling.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- else }}
{{- if ne $cluster.scheduling.spread.zones "none" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: {{ $cluster.scheduling.spread.zones }}
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels:
        app: {{ $app }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Keeps members of a role off each other's nodes: (list "preferred" "<their label app>") */}}
{{- define "opencode.redis.antiAffinity" -}}
{{- if eq (first .) "required" -}}
requiredDuringSchedulingIgnoredDuringExecution:
  - topologyKey: kubernetes.io/hostname
    labelSelector:
      matchLabels:
        app: {{ index . 1 }}
{{- else -}}
preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          app: {{ index . 1 }}
{{- end -}}
{{- end -}}

{{/* Configuration of a member: root context. A full member refuses writes; without a bound the kernel would end it. */}}
{{- define "opencode.redis.memberConfig" -}}
redisConfig:
  additionalRedisConfig: {{ include "opencode.name" (list . "redis") }}
  maxMemoryPercentOfLimit: 75
{{- end -}}
