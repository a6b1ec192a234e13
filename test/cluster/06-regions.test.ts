import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { bringUpCluster } from '../../cluster/bring-up.ts'
import { ensureCrds } from '../../cluster/crds/index.ts'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { root } from '../../cluster/paths.ts'
import { createProgress } from '../../cluster/progress.ts'
import { helm } from '../../cluster/release.ts'
import { regions, type RegionName } from '../../values/regions.ts'
import { options, release as installed } from './lib/environment.ts'

/** Of their own: merged into an object that Helm installed with other values, a container would have `value` and `valueFrom`. */
const release = { ...installed, namespace: 'opencode-regions' }
const workersNamespace = 'opencode-regions-workers'
const sandboxesNamespace = 'opencode-regions-sandboxes'

/** The production values against the real API server, with every definition and the operators' admission webhooks. */
describe('production values', () => {
  beforeAll(async () => {
    await bringUpCluster({ ...options, profile: 'production' }, createProgress())
    await ensureCrds(options.name, () => undefined)
    for (const name of [release.namespace, workersNamespace, sandboxesNamespace]) {
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
      await kubectl(
        options.name,
        ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
        JSON.stringify(namespace),
      )
    }
    // A machine that has never compiled the operators needs about 25 minutes for them.
  }, 2_700_000)

  it.each(Object.keys(regions) as RegionName[])('of %s are accepted whole', async (region) => {
    const values = join(root, 'values', `${region}.yaml`)
    const apart = [
      '--set',
      `namespaces.workers.name=${workersNamespace},namespaces.sandboxes.name=${sandboxesNamespace}`,
    ]
    const manifests = await helm(release, [
      'template',
      release.name,
      join(root, 'chart'),
      '--values',
      values,
      ...apart,
    ])
    const apply = [
      'apply',
      '--server-side',
      '--force-conflicts',
      '--dry-run=server',
      '--filename',
      '-',
    ]
    const accepted = await kubectl(options.name, apply, manifests)
    const sent = manifests.match(/^kind: /gm)?.length ?? 0
    expect(accepted.trim().split('\n')).toHaveLength(sent)
    expect(accepted).toContain('cluster.postgresql.cnpg.io/')
  })

  it("are judged by the operator's webhook too", async () => {
    const cluster = {
      apiVersion: 'postgresql.cnpg.io/v1',
      kind: 'Cluster',
      metadata: { name: 'wrong', namespace: release.namespace },
      spec: { instances: 1, minSyncReplicas: 2, maxSyncReplicas: 2, storage: { size: '1Gi' } },
    }
    await expect(
      kubectl(
        options.name,
        ['apply', '--dry-run=server', '--filename', '-'],
        JSON.stringify(cluster),
      ),
    ).rejects.toThrow(/maxSyncReplicas must be lower/)
  })
})
