#!/bin/sh
# Does the server answer? While it loads its file it says LOADING.
export REDISCLI_AUTH="$REDIS_PASSWORD"
[ "$(timeout 4 redis-cli ping)" = PONG ]
