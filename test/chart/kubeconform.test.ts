import { expect, test } from 'vitest'
import { cases } from './cases.ts'
import { invalidObjects } from './lib/kubeconform.ts'
import { kubernetesVersions } from './lib/kubernetes-schemas.ts'
import { id, render, type KubernetesObject } from './lib/render.ts'

test.each(kubernetesVersions)(
  'every object of every case is valid on Kubernetes %s',
  async (version) => {
    const objects: KubernetesObject[] = []
    for (const one of cases.filter((candidate) => !candidate.expectedError))
      objects.push(...(await render('helm4', one)))
    expect(await invalidObjects(`objects-${version}`, objects, version)).toEqual([])
  },
)

test('a field that does not exist, and a kind that nobody knows, are refused', async () => {
  const [deployment] = (await render('helm4')).filter(
    (one) => id(one) === 'deployment.opencode.opencode-api',
  )
  const wrong = structuredClone(deployment) as KubernetesObject & { spec: Record<string, unknown> }
  wrong.spec['replica'] = 3
  const unknown = { apiVersion: 'nobody.example/v1', kind: 'Thing', metadata: { name: 'thing' } }
  expect(await invalidObjects('objects-wrong', [wrong, unknown], '1.36.3')).toHaveLength(2)
})
