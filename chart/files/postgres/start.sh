#!/bin/sh
# Starts PostgreSQL from any image that has its programs: the official one and Debian's packages keep them below /usr/lib/postgresql.
set -eu
for folder in /usr/lib/postgresql/*/bin; do
  if [ -d "$folder" ]; then PATH="$folder:$PATH"; fi
done
umask 077

version=$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
if [ -s "$PGDATA/PG_VERSION" ] && [ "$(cat "$PGDATA/PG_VERSION")" != "$version" ]; then
  echo "The data were written by PostgreSQL $(cat "$PGDATA/PG_VERSION"), the image has $version." >&2
  echo "Dump with the old image and restore into an empty volume, or set postgres.embedded.image back." >&2
  exit 1
fi

# initdb works in a folder of its own: a pod that dies half-way must not leave half a database behind.
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA" "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --username=postgres --encoding=UTF8 --no-locale --auth=scram-sha-256 --pwfile=/dev/stdin <<EOF
$POSTGRES_PASSWORD
EOF
  mv "$PGDATA.new" "$PGDATA"
fi

# Single-user mode, before anyone can connect: create role and database once, and take over a changed password at every start.
single() {
  postgres --single -D "$PGDATA" -c config_file=/etc/opencode/postgres/postgresql.conf "$@"
}
password=$(printf '%s' "$POSTGRES_PASSWORD" | sed "s/'/''/g")
if ! echo "SELECT 'exists' FROM pg_database WHERE datname = '$POSTGRES_DB'" | single postgres | grep -q '"exists"'; then
  printf 'CREATE ROLE "%s" LOGIN\nCREATE DATABASE "%s" OWNER "%s"\n' "$POSTGRES_USER" "$POSTGRES_DB" "$POSTGRES_USER" | single postgres >/dev/null
fi
printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" "$POSTGRES_USER" "$password" | single postgres >/dev/null

# Kubernetes sends SIGTERM, with which PostgreSQL would wait for its clients. SIGINT ends them and writes a checkpoint.
postgres -D "$PGDATA" -c config_file=/etc/opencode/postgres/postgresql.conf &
server=$!
trap 'kill -INT "$server"' TERM INT
while kill -0 "$server" 2>/dev/null; do
  status=0
  wait "$server" || status=$?
done
exit "$status"
