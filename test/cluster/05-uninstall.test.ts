import { beforeAll, describe, expect, it } from 'vitest'
import { helm } from '../../cluster/release.ts'
import { poll } from '../../cluster/poll.ts'
import { release, workersNamespace } from './lib/environment.ts'
import { api } from './lib/kubernetes.ts'

describe('uninstall', () => {
  beforeAll(async () => {
    await helm(release, ['uninstall', release.name])
    await poll('the end of the pods', 180, async () => (await api().core.listNamespacedPod({ namespace: 'opencode' })).items.length === 0)
  })

  it('leaves the volumes with the data', async () => {
    const claims = await api().core.listNamespacedPersistentVolumeClaim({ namespace: 'opencode' })
    expect(claims.items.map(({ metadata }) => metadata?.name).sort()).toEqual(['data-opencode-postgres-0', 'data-opencode-redis-0'])
  })

  it('leaves the generated credentials, which open those volumes', async () => {
    const secrets = await api().core.listNamespacedSecret({ namespace: 'opencode' })
    expect(secrets.items.map(({ metadata }) => metadata?.name)).toEqual(expect.arrayContaining(['opencode-api', 'opencode-postgres', 'opencode-redis']))
  })

  it('leaves nothing that runs', async () => {
    for (const namespace of ['opencode', workersNamespace]) {
      const { items } = await api().apps.listNamespacedDeployment({ namespace })
      expect(items).toEqual([])
    }
  })
})
