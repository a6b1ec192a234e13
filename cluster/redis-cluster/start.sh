#!/bin/sh
# One member. Who it is lies in /node-conf/nodes.conf; its address is another one with every pod.
set -eu
export REDISCLI_AUTH="$REDIS_PASSWORD"

# Members that all came back at once know only addresses that are gone: they meet again by name.
meet() {
  while sleep 3; do
    redis-cli cluster info 2>/dev/null | grep -q 'cluster_known_nodes:1[^0-9]' && continue
    redis-cli cluster nodes 2>/dev/null | grep -q 'fail\|disconnected' || continue
    for peer in $PEERS; do
      address=$(getent hosts "$peer" | cut -d ' ' -f 1) || continue
      redis-cli cluster meet "$address" 6379 >/dev/null 2>&1 || true
    done
  done
}
meet &

# In a file of memory: arguments can be read by every process of the node.
{
  cat /etc/redis/external.conf.d/redis-additional.conf
  cat <<EOF
bind * -::*
dir /data
appendonly yes
cluster-enabled yes
cluster-config-file /node-conf/nodes.conf
cluster-node-timeout 5000
cluster-require-full-coverage no
cluster-announce-ip $POD_IP
maxmemory $((MEMORY_LIMIT / 100 * MEMORY_PERCENT))
requirepass $REDIS_PASSWORD
masterauth $REDIS_PASSWORD
EOF
} > /run/redis/redis.conf
exec redis-server /run/redis/redis.conf
