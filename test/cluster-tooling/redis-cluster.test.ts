import { describe, expect, it } from 'vitest'
import { pairs } from '../../cluster/redis-cluster/index.ts'
import { memberObjects, type RedisCluster } from '../../cluster/redis-cluster/objects.ts'

const member = {
  pdb: { maxUnavailable: 1 },
  redisConfig: { additionalRedisConfig: 'opencode-redis' },
}
const claim = { spec: { resources: { requests: { storage: '1Gi' } } } }
const cluster: RedisCluster = {
  metadata: {
    name: 'opencode-redis',
    namespace: 'opencode',
    uid: 'u',
    labels: { 'app.kubernetes.io/instance': 'opencode' },
  },
  spec: {
    clusterSize: 3,
    podSecurityContext: { runAsUser: 1000 },
    kubernetesConfig: {
      image: 'redis',
      imagePullPolicy: 'IfNotPresent',
      resources: {},
      redisSecret: { name: 'opencode-redis', key: 'password' },
    },
    redisLeader: member,
    redisFollower: member,
    storage: { volumeClaimTemplate: claim, nodeConfVolumeClaimTemplate: claim },
  },
}

describe('a RedisCluster', () => {
  const objects = memberObjects(cluster, '#!/bin/sh') as {
    kind: string
    metadata: { name: string; ownerReferences: { uid: string }[] }
  }[]

  it('becomes what the operator makes of it, under its names', () => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
    expect(names).toEqual(
      expect.arrayContaining([
        'StatefulSet opencode-redis-leader',
        'StatefulSet opencode-redis-follower',
        'Service opencode-redis-leader',
        'Service opencode-redis-leader-headless',
      ]),
    )
  })

  it('takes everything along when it goes', () => {
    for (const { metadata } of objects) expect(metadata.ownerReferences[0]?.uid).toBe('u')
  })
})

describe('pairs', () => {
  it('puts no follower on the node of its leader where that can be', () => {
    const nodes: Record<string, string> = { l0: 'a', l1: 'b', l2: 'c', f0: 'a', f1: 'b', f2: 'c' }
    const found = pairs(['l0', 'l1', 'l2'], ['f0', 'f1', 'f2'], (pod) => nodes[pod] ?? '')
    for (const [leader, follower] of found) expect(nodes[leader]).not.toBe(nodes[follower])
    expect(new Set(found.map(([, follower]) => follower)).size).toBe(3)
  })
})
