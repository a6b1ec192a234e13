{{/*
redis.conf of the embedded server. A full server refuses writes, which the API survives; one that the kernel ends loses its
last second. A quarter of the limit is left to the copy that rewriting the log needs. Root context.
*/}}
{{- define "opencode.redis.conf" -}}
{{ .Files.Get "files/redis/redis.conf" | trim }}
{{- with (.Values.redis.embedded.resources.limits).memory }}
maxmemory {{ div (mul (include "opencode.bytes" .) 3) 4 }}
{{- end }}
{{- end -}}
