{{/* pgbouncer.ini: root context. The password is in a file made at start. */}}
{{- define "opencode.pgbouncer.ini" -}}
{{- $pgbouncer := .Values.pgbouncer -}}
[databases]
{{ .Values.postgres.database }} = host={{ $pgbouncer.host }} port={{ $pgbouncer.port }} dbname={{ .Values.postgres.database }}

[pgbouncer]
listen_addr = *
listen_port = 5432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /run/pgbouncer/userlist.txt
pool_mode = {{ $pgbouncer.poolMode }}
max_client_conn = {{ $pgbouncer.maxClientConnections }}
default_pool_size = {{ $pgbouncer.defaultPoolSize }}
min_pool_size = {{ $pgbouncer.minPoolSize }}
max_prepared_statements = {{ $pgbouncer.maxPreparedStatements }}
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
server_tls_sslmode = {{ $pgbouncer.serverTlsMode }}
{{- if .Values.postgres.external.caConfigMap }}
server_tls_ca_file = /etc/opencode/postgres/ca.crt
{{- end }}
{{- if $pgbouncer.clientTlsSecret }}
client_tls_sslmode = require
client_tls_cert_file = /etc/opencode/tls/tls.crt
client_tls_key_file = /etc/opencode/tls/tls.key
{{- end }}
{{- end -}}
