import { beforeAll, describe, expect, it } from 'vitest'
import { poll } from '../../cluster/poll.ts'
import { helm, sandboxesNamespace, workersNamespace } from '../../cluster/release.ts'
import { release } from './lib/environment.ts'
import { api } from './lib/kubernetes.ts'

const namespaces = [release.namespace, workersNamespace, sandboxesNamespace]

/** Names of the pods that have not ended. Helm keeps what `helm test` made: its logs are read after it. */
async function running(): Promise<string[]> {
  const lists = await Promise.all(
    namespaces.map((namespace) => api().core.listNamespacedPod({ namespace })),
  )
  return lists
    .flatMap(({ items }) => items)
    .flatMap(({ metadata, status }) =>
      status?.phase === 'Succeeded' ? [] : (metadata?.name ?? []),
    )
}

describe('uninstall', () => {
  beforeAll(async () => {
    await helm(release, ['uninstall', release.name])
    await poll('the end of the pods', 240, async () => (await running()).length === 0)
  })

  it('leaves the volumes with the data', async () => {
    const claims = await api().core.listNamespacedPersistentVolumeClaim({
      namespace: release.namespace,
    })
    expect(claims.items.map(({ metadata }) => metadata?.name).sort()).toEqual([
      'data-opencode-postgres-0',
      'data-opencode-redis-0',
    ])
  })

  it('leaves the generated credentials, which open those volumes', async () => {
    const secrets = await api().core.listNamespacedSecret({ namespace: release.namespace })
    expect(secrets.items.map(({ metadata }) => metadata?.name)).toEqual(
      expect.arrayContaining(['opencode-api', 'opencode-postgres', 'opencode-redis']),
    )
  })

  it('leaves nothing that runs', async () => {
    for (const namespace of namespaces) {
      const { items } = await api().apps.listNamespacedDeployment({ namespace })
      expect(items).toEqual([])
    }
  })
})
