import { expect, test } from 'vitest'
import type { Overlay } from '../../schemas/index.ts'
import { cases } from './cases.ts'
import { id, render, type KubernetesObject } from './lib/render.ts'

/** Features that lengthen names, and the longest prefix that fits each. */
const limits: readonly (readonly [string, number, Overlay])[] = [
  ['embedded stores', 42, {}],
  [
    'no credentials to make',
    43,
    {
      credentials: {
        api: { existingSecret: 'a' },
        postgres: { existingSecret: 'p' },
        redis: { existingSecret: 'r' },
        tickets: { existingSecret: 't', existingConfigMap: 't' },
      },
    },
  ],
  ['CloudNativePG', 41, { postgres: { mode: 'cnpg' } }],
  ['a Redis Cluster', 37, { redis: { mode: 'cluster' } }],
]

test.each(limits)(
  'with %s a prefix of %i characters fits, and one more is refused',
  async (_, longest, values) => {
    const prefix = 'x'.repeat(longest)
    const objects = await render('helm4', { values: { ...values, fullnameOverride: prefix } })
    expect(objects.flatMap(tooLong)).toEqual([])
    expect(
      objects.filter(({ metadata }) => metadata.name.startsWith(prefix)).length,
    ).toBeGreaterThan(20)
    await expect(
      render('helm4', { values: { ...values, fullnameOverride: `${prefix}x` } }),
    ).rejects.toThrow(`Set fullnameOverride to at most ${longest.toString()} characters`)
  },
)

/** What an object's controller makes of its name, where that is longer than Kubernetes allows. */
function tooLong(object: KubernetesObject): string[] {
  const { name } = object.metadata
  const made: Record<string, [string, number][]> = {
    // The label `job-name` and the label `batch.kubernetes.io/job-name` hold the whole name.
    Job: [[name, 63]],
    Service: [[name, 63]],
    // The label `controller-revision-hash` of each pod.
    StatefulSet: [[`${name}-1234567890`, 63]],
    Cluster: [[name, 50]],
    Pooler: [[name, 63]],
    RedisCluster: [
      [`${name}-follower-1234567890`, 63],
      [`${name}-follower-headless`, 63],
      [`${name}-follower-additional`, 63],
    ],
  }
  return (made[object.kind] ?? [[name, 253]]).flatMap(([text, most]) =>
    text.length > most ? [`${id(object)}: ${text}`] : [],
  )
}

test('two Jobs of one name have one pod template, whatever the values: it cannot be changed', async () => {
  const templates = new Map<string, { from: string; template: string }>()
  for (const one of cases.filter(({ expectedError }) => expectedError === undefined)) {
    for (const object of await render('helm4', one)) {
      if (object.kind !== 'Job') continue
      const { template } = object['spec'] as { template: unknown }
      const text = JSON.stringify(template)
      const known = templates.get(object.metadata.name)
      expect(text, `${one.name} and ${known?.from ?? ''}`).toBe(known?.template ?? text)
      templates.set(object.metadata.name, { from: one.name, template: text })
    }
  }
  expect(templates.size).toBeGreaterThan(10)
})
