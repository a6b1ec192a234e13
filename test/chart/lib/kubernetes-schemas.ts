import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { loadAll } from 'js-yaml'
import { $ } from 'zx'
import { cache } from './paths.ts'
import { kubernetes, operators, type Source } from './sources.ts'
import { reachable, strict, strictDefinition, type Node } from './strict-schema.ts'

const folder = join(cache, 'schemas')
const ownCrds = join(import.meta.dirname, '..', 'crds')

/** Where kubeconform finds the schemas, as its `-schema-location` patterns. */
export const schemaLocations = [
  join(folder, '{{.NormalizedKubernetesVersion}}', '{{.ResourceKind}}{{.KindSuffix}}.json'),
  join(folder, 'crds', '{{.Group}}', '{{.ResourceKind}}_{{.ResourceAPIVersion}}.json'),
]

/** The definition of a custom resource; undefined for Kubernetes' own kinds. */
export function crdSchema(apiVersion: string, kind: string): object | undefined {
  const [group = '', version = ''] = apiVersion.split('/')
  const file = join(folder, 'crds', group, `${kind.toLowerCase()}_${version}.json`)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : undefined
}

/** Kubernetes versions that there are schemas for, without the `v`. */
export const kubernetesVersions = kubernetes.map((source) => source.version.slice(1))

/** Makes the schemas from the pinned Go modules unless they are there; needs the Go proxy the first time. */
export async function prepareSchemas(report: (line: string) => void): Promise<void> {
  const hash = createHash('sha256').update(JSON.stringify([kubernetes, operators]))
  for (const file of [
    ...files(ownCrds),
    join(import.meta.dirname, 'strict-schema.ts'),
    import.meta.filename,
  ])
    hash.update(readFileSync(file))
  const stamp = join(folder, '.stamp')
  const wanted = hash.digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  rmSync(folder, { recursive: true, force: true })
  for (const source of kubernetes) {
    report(`schemas: Kubernetes ${source.version}`)
    const swagger = join(await download(source), 'api', 'openapi-spec', 'swagger.json')
    writeKubernetes(
      source.version,
      (JSON.parse(readFileSync(swagger, 'utf8')) as { definitions: Record<string, Node> })
        .definitions,
    )
  }
  for (const source of operators) {
    report(`schemas: ${source.module} ${source.version}`)
    const module = await download(source)
    for (const path of source.paths) for (const file of files(join(module, path))) writeCrds(file)
  }
  for (const file of files(ownCrds)) writeCrds(file)
  writeFileSync(stamp, wanted)
}

/** Folder of one of the pinned operators' modules. */
export async function moduleFolder(module: string): Promise<string> {
  const source = operators.find((one) => one.module === module)
  if (!source) throw new Error(`${module} is not among the pinned operators`)
  return download(source)
}

/** Folder of a module in Go's module cache, its checksum compared with the pinned one. */
async function download({ module, version, sum }: Source): Promise<string> {
  mkdirSync(cache, { recursive: true })
  const result = await $({
    cwd: cache,
    quiet: true,
  })`go mod download -json ${`${module}@${version}`}`
  const info = JSON.parse(result.stdout) as { Dir: string; Sum: string }
  if (info.Sum !== sum)
    throw new Error(`${module} ${version} has the checksum ${info.Sum}, not the pinned ${sum}`)
  return info.Dir
}

function files(path: string): string[] {
  if (statSync(path).isFile()) return [path]
  return readdirSync(path)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(path, name))
}

function writeKubernetes(version: string, definitions: Record<string, Node>): void {
  const closed = Object.fromEntries(
    Object.entries(definitions).map(([name, node]) => [name, strictDefinition(name, node)]),
  )
  for (const [name, node] of Object.entries(definitions)) {
    const kinds = node['x-kubernetes-group-version-kind']
    const [kind] = kinds ?? []
    if (!kind || kinds?.length !== 1) continue
    const group = kind.group.split('.')[0]
    const file = [kind.kind.toLowerCase(), ...(group ? [group] : []), kind.version].join('-')
    const needed = Object.fromEntries([...reachable(name, closed)].map((one) => [one, closed[one]]))
    write(join(folder, version, `${file}.json`), {
      $schema: draft,
      $ref: `#/definitions/${name}`,
      definitions: needed,
    })
  }
}

const draft = 'http://json-schema.org/draft-07/schema#'

interface Crd {
  kind: string
  spec: {
    group: string
    names: { kind: string }
    versions: { name: string; schema?: { openAPIV3Schema: Node } }[]
  }
}

function writeCrds(file: string): void {
  for (const document of loadAll(readFileSync(file, 'utf8'))) {
    const crd = document as Crd | null
    if (crd?.kind !== 'CustomResourceDefinition') continue
    for (const version of crd.spec.versions) {
      const schema = version.schema?.openAPIV3Schema
      if (!schema) continue
      const own = {
        apiVersion: { type: 'string' },
        kind: { type: 'string' },
        metadata: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      }
      const whole = strict({ ...schema, properties: { ...schema.properties, ...own } })
      write(
        join(
          folder,
          'crds',
          crd.spec.group,
          `${crd.spec.names.kind.toLowerCase()}_${version.name}.json`,
        ),
        { $schema: draft, ...whole },
      )
    }
  }
}

function write(file: string, content: unknown): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(content))
}
