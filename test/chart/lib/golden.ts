import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse, stringify } from 'yaml'
import type { Case } from '../cases.ts'
import { cases } from '../cases.ts'
import { root } from './paths.ts'
import { id, render, type Helm, type KubernetesObject } from './render.ts'

const folder = join(root, 'test', 'golden')

/** What a case stands for: its objects by id; of a case with a base only what differs, `null` for what is gone. */
export type Golden = Record<string, unknown>

/** Renders a case as its golden folder has it. */
export async function produce(one: Case, helm: Helm): Promise<Golden> {
  const objects = byId(await render(helm, one))
  if (!one.base) return objects
  const base = cases.find((other) => other.name === one.base)
  if (!base) throw new Error(`the case "${one.name}" has the unknown base "${one.base}"`)
  const before = byId(await render(helm, base))
  const gone = Object.keys(before)
    .filter((key) => !(key in objects))
    .map((key) => [key, null])
  const changed = Object.entries(objects).filter(
    ([key, object]) => !isDeepStrictEqual(object, before[key]),
  )
  return Object.fromEntries([...changed, ...gone])
}

/** Reads a case's golden folder. */
export function readGolden(name: string): Golden {
  const path = join(folder, name)
  if (!existsSync(path)) return {}
  return Object.fromEntries(
    readdirSync(path).map((file) => [
      file.replace(/\.yaml$/, ''),
      parse(readFileSync(join(path, file), 'utf8')),
    ]),
  )
}

/** Writes a case's golden folder: one file an object. */
export function writeGolden(name: string, golden: Golden): void {
  const path = join(folder, name)
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  for (const [key, object] of Object.entries(golden)) {
    writeFileSync(
      join(path, `${key}.yaml`),
      stringify(object, { sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false }),
    )
  }
}

/** Golden folders that no case stands for. */
export function orphans(): string[] {
  const known = new Set(cases.filter((one) => !one.expectedError).map((one) => one.name))
  return existsSync(folder) ? readdirSync(folder).filter((name) => !known.has(name)) : []
}

/** Removes the folder of a case that is no more. */
export function removeGolden(name: string): void {
  rmSync(join(folder, name), { recursive: true, force: true })
}

function byId(objects: KubernetesObject[]): Record<string, KubernetesObject> {
  return Object.fromEntries(objects.map(withoutHash).map((object) => [id(object), object]))
}

/** A Job's name ends with a hash of its template, which the golden file shows in full: `names.test.ts` checks the hash. */
function withoutHash(object: KubernetesObject): KubernetesObject {
  if (object.kind !== 'Job') return object
  const name = object.metadata.name.replace(/-[0-9a-f]{8}$/, '-hash')
  return { ...object, metadata: { ...object.metadata, name } }
}
