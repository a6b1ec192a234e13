{{/* postgresql.conf of the embedded server: its parameters. */}}
{{- define "opencode.postgres.conf" -}}
listen_addresses = '*'
port = 5432
unix_socket_directories = '/tmp'
password_encryption = scram-sha-256
hba_file = '/etc/opencode/postgres/pg_hba.conf'
shared_memory_type = mmap
dynamic_shared_memory_type = posix
logging_collector = off
timezone = 'UTC'
{{- range $name, $value := . }}
{{ $name }} = '{{ $value | replace "'" "''" }}'
{{- end }}
{{- end -}}
