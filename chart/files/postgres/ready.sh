#!/bin/sh
# Does the server take connections?
for folder in /usr/lib/postgresql/*/bin; do
  PATH="$folder:$PATH"
done
exec pg_isready --quiet --host=127.0.0.1 --username=postgres
