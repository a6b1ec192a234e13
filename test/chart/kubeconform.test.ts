import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { $ } from 'zx'
import { cases } from './cases.ts'
import { kubernetesVersions, schemaLocations } from './lib/kubernetes-schemas.ts'
import { cache, tool } from './lib/paths.ts'
import { id, render, type KubernetesObject } from './lib/render.ts'

interface Resource {
  filename: string
  kind: string
  name: string
  status: string
  msg: string
}

/** Objects that are not valid, as kubeconform says it. */
async function validate(folder: string, version: string): Promise<string[]> {
  const locations = schemaLocations.flatMap((location) => ['-schema-location', location])
  const args = ['-strict', '-output', 'json', '-verbose', '-kubernetes-version', version, ...locations, folder]
  const result = await $({ quiet: true, nothrow: true })`${tool('kubeconform')} ${args}`
  const { resources } = JSON.parse(result.stdout) as { resources: Resource[] }
  expect(resources.length).toBeGreaterThan(0)
  return resources.filter((one) => one.status !== 'statusValid').map((one) => `${one.kind} ${one.name}: ${one.msg}`)
}

/** Writes each object once, however many cases have it. */
function writeObjects(name: string, objects: KubernetesObject[]): string {
  const folder = join(cache, name)
  mkdirSync(folder, { recursive: true })
  const list = { apiVersion: 'v1', kind: 'List', items: [...new Map(objects.map((one) => [JSON.stringify(one), one])).values()] }
  writeFileSync(join(folder, 'objects.json'), JSON.stringify(list))
  return folder
}

test.each(kubernetesVersions)('every object of every case is valid on Kubernetes %s', async (version) => {
  const objects: KubernetesObject[] = []
  for (const one of cases.filter((candidate) => !candidate.expectedError)) objects.push(...(await render('helm4', one)))
  expect(await validate(writeObjects(`objects-${version}`, objects), version)).toEqual([])
})

test('a field that does not exist, and a kind that nobody knows, are refused', async () => {
  const [deployment] = (await render('helm4')).filter((one) => id(one) === 'deployment.opencode.opencode-api')
  const wrong = structuredClone(deployment) as KubernetesObject & { spec: Record<string, unknown> }
  wrong.spec['replica'] = 3
  const unknown = { apiVersion: 'nobody.example/v1', kind: 'Thing', metadata: { name: 'thing' } }
  const problems = await validate(writeObjects('objects-wrong', [wrong, unknown]), '1.36.3')
  expect(problems).toHaveLength(2)
})
