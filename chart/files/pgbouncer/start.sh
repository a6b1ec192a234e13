#!/bin/sh
# PgBouncer needs the password itself, towards clients and server alike: into a file in memory, never an argument.
set -eu
umask 077
quote() {
  printf '%s' "$1" | sed 's/"/""/g'
}
printf '"%s" "%s"\n' "$(quote "$POSTGRES_USER")" "$(quote "$POSTGRES_PASSWORD")" >/run/pgbouncer/userlist.txt
exec pgbouncer /etc/opencode/pgbouncer/pgbouncer.ini
