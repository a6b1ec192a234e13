#!/bin/sh
# The password goes through a file in memory: arguments are seen by everything that lists processes.
set -eu
umask 077
cat /etc/opencode/redis/redis.conf >/run/redis/redis.conf
printf 'requirepass "%s"\n' "$REDIS_PASSWORD" >>/run/redis/redis.conf
exec redis-server /run/redis/redis.conf
