{{/* Variable that holds a provider's key. */}}
{{- define "opencode.llm.keyName" -}}
LLM_KEY_{{ . | upper | replace "-" "_" }}
{{- end -}}

{{/* The provider file, JSON without any key: root context. */}}
{{- define "opencode.llm.config" -}}
{{- $providers := dict -}}
{{- range $name, $provider := .Values.llm.providers -}}
{{- $entry := omit $provider "apiKeySecretKey" -}}
{{- if $provider.apiKeySecretKey }}{{ $_ := set $entry "apiKeyEnv" (include "opencode.llm.keyName" $name) }}{{ end -}}
{{- $_ := set $providers $name $entry -}}
{{- end -}}
{{- dict "limits" .Values.llm.limits "providers" $providers "model" .Values.llm.model "smallModel" .Values.llm.smallModel | toPrettyJson -}}
{{- end -}}

{{/*
The provider file as sandboxes get it, root context: tools read it, so it names no address, no header and no variable. Which API an
OpenAI-compatible provider has follows from its address where nothing says it.
*/}}
{{- define "opencode.llm.sandboxConfig" -}}
{{- $config := include "opencode.llm.config" . | fromJson -}}
{{- $providers := dict -}}
{{- range $name, $provider := $config.providers -}}
{{- $entry := omit $provider "baseURL" "apiKeyEnv" "models" -}}
{{- if and (eq $provider.kind "openai") $provider.baseURL (not $provider.api) }}{{ $_ := set $entry "api" "chat" }}{{ end -}}
{{- $models := dict -}}
{{- range $id, $model := $provider.models }}{{ $_ := set $models $id (omit $model "headers") }}{{ end -}}
{{- $_ := set $entry "models" $models -}}
{{- $_ := set $providers $name $entry -}}
{{- end -}}
{{- set $config "providers" $providers | toPrettyJson -}}
{{- end -}}

{{/* The providers' keys as variables of the API: root context. */}}
{{- define "opencode.env.llm" -}}
{{- $secret := include "opencode.secretName" (list . "llm") -}}
{{- range $name, $provider := .Values.llm.providers }}
{{- with $provider.apiKeySecretKey }}
{{ include "opencode.env.secret" (dict "name" (include "opencode.llm.keyName" $name) "secret" $secret "key" .) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "opencode.llm.volume" -}}
- name: llm
  configMap:
    name: {{ include "opencode.name" (list . "llm") }}
{{- end -}}

{{- define "opencode.llm.mount" -}}
- name: llm
  mountPath: /etc/opencode/llm
  readOnly: true
{{- end -}}

{{/* Egress to providers that HTTPS to the internet does not cover: other ports, blocked networks, Services of this cluster: root context. */}}
{{- define "opencode.llm.egress" -}}
{{- range $name, $provider := .Values.llm.providers }}
{{- with $provider.baseURL }}
{{- include "opencode.np.toUrl" . }}
{{- end }}
{{- end }}
{{- end -}}
