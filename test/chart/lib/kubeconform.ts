import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { schemaLocations } from './kubernetes-schemas.ts'
import { cache, tool } from './paths.ts'
import type { KubernetesObject } from './render.ts'

interface Resource {
  kind: string
  name: string
  status: string
  msg: string
}

/**
 * Objects that a Kubernetes version or an operator's definition would refuse, in kubeconform's words. An unknown field and an unknown
 * kind are refused too.
 * @param name - folder below the cache that the objects are written to
 */
export async function invalidObjects(
  name: string,
  objects: KubernetesObject[],
  version: string,
): Promise<string[]> {
  const folder = writeObjects(name, objects)
  const locations = schemaLocations.flatMap((location) => ['-schema-location', location])
  const args = [
    '-strict',
    '-output',
    'json',
    '-verbose',
    '-kubernetes-version',
    version,
    ...locations,
    folder,
  ]
  const result = await $({ quiet: true, nothrow: true })`${tool('kubeconform')} ${args}`
  const { resources } = JSON.parse(result.stdout) as { resources: Resource[] }
  if (resources.length === 0) throw new Error(`kubeconform looked at nothing in ${folder}`)
  return resources
    .filter((one) => one.status !== 'statusValid')
    .map((one) => `${one.kind} ${one.name}: ${one.msg}`)
}

/** Writes each object once, however many cases have it. */
function writeObjects(name: string, objects: KubernetesObject[]): string {
  const folder = join(cache, name)
  mkdirSync(folder, { recursive: true })
  const list = {
    apiVersion: 'v1',
    kind: 'List',
    items: [...new Map(objects.map((one) => [JSON.stringify(one), one])).values()],
  }
  writeFileSync(join(folder, 'objects.json'), JSON.stringify(list))
  return folder
}
