{{- define "opencode.validate.rollouts" -}}
{{- $rollouts := .Values.rollouts -}}
{{- $routing := $rollouts.canary.trafficRouting -}}
{{- if and $rollouts.enabled (eq $rollouts.strategy "canary") }}
{{- if and (eq $routing "istio") (not .Values.istio.enabled) }}
- rollouts.canary.trafficRouting is "istio", but istio.enabled is false: there is no VirtualService to split by. Set istio.enabled to true, or trafficRouting to "gateway" or "none".
{{- end }}
{{- if and (eq $routing "gateway") (not .Values.gateway.enabled) }}
- rollouts.canary.trafficRouting is "gateway", but gateway.enabled is false: there is no HTTPRoute to split by. Set gateway.enabled to true, or trafficRouting to "istio" or "none".
{{- end }}
{{- range $index, $step := $rollouts.canary.steps }}
{{- if not $step }}
- rollouts.canary.steps[{{ $index }}] is empty. Set setWeight or pause.
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.istio.enabled (eq .Values.namespaces.mesh "none") }}
- istio.enabled is true, but namespaces.mesh is "none": strict mutual TLS would cut off every pod without a proxy. Set namespaces.mesh to "sidecar" or "ambient".
{{- end }}
{{- end -}}
