import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Values } from '../../../schemas/index.ts'
import { defaults } from '../../../values/defaults.ts'
import { ciOverlays } from '../../../values/ci.ts'
import { overlays } from '../../../values/index.ts'
import { dashboardFiles } from './dashboards/index.ts'
import { checkDefaultTags } from './defaults.ts'
import { buildOverlaySchema } from './overlay-schema.ts'
import { withReference } from './reference.ts'
import { buildSchema } from './schema.ts'
import { overlayYaml, valuesYaml } from './values-yaml.ts'

/** Content of every generated file, by its path below the project's folder. */
export type GeneratedFiles = Map<string, string>

/** Parts of the project that generate files of their own, by module and function; each is optional. */
const contributors = [
  { module: 'edge/tools/generate.ts', name: 'generateEdgeFiles' },
  { module: 'argocd/generate.ts', name: 'generateArgocdFiles' },
  { module: 'test/drills/generate.ts', name: 'generateDrillRunbooks' },
] as const

type Contribution = GeneratedFiles | Record<string, string>

/** Makes every generated file in memory. The same sources give the same bytes. */
export async function generateFiles(root: string): Promise<GeneratedFiles> {
  const files: GeneratedFiles = new Map()
  const schema = buildSchema(root)
  const typed: Values = defaults
  checkDefaultTags(schema, typed)
  files.set('chart/values.schema.json', json(schema))
  files.set('chart/values.yaml', valuesYaml(schema, typed))
  files.set(
    'chart/README.md',
    withReference(readFileSync(join(root, 'chart/README.md'), 'utf8'), schema, typed),
  )
  files.set('schemas/overlay.schema.json', json(buildOverlaySchema(schema)))
  for (const [name, overlay] of Object.entries(overlays)) {
    files.set(
      `values/${name}.yaml`,
      overlayYaml(overlay, `values/${name}.ts`, '../schemas/overlay.schema.json'),
    )
  }
  for (const [name, overlay] of Object.entries(ciOverlays)) {
    files.set(
      `chart/ci/${name}-values.yaml`,
      overlayYaml(overlay, 'values/ci.ts', '../../schemas/overlay.schema.json'),
    )
  }
  for (const [path, content] of dashboardFiles()) files.set(path, content)
  for (const contributor of contributors) {
    for (const [path, content] of await contributed(root, contributor)) files.set(path, content)
  }
  return files
}

async function contributed(
  root: string,
  contributor: { module: string; name: string },
): Promise<[string, string][]> {
  const path = join(root, contributor.module)
  if (!existsSync(path)) return []
  const module = (await import(pathToFileURL(path).href)) as Record<
    string,
    (() => Contribution | Promise<Contribution>) | undefined
  >
  const files = await module[contributor.name]?.()
  return files === undefined ? [] : files instanceof Map ? [...files] : Object.entries(files)
}

/** One line a leaf would be easier to review, but Helm stores the schema in every release: no white space. */
function json(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`
}
