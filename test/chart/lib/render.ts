import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { $ } from 'zx'
import { chart, tool } from './paths.ts'

/** Major version of Helm. */
export type Helm = 'helm3' | 'helm4'

/** Both Helm versions that install the chart. */
export const helms: readonly Helm[] = ['helm3', 'helm4']

/** A rendered Kubernetes object. */
export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    namespace?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  [key: string]: unknown
}

/** What to render. */
export interface Input {
  /** Values files, later ones win. */
  readonly files?: readonly string[]
  /** Values over the files. */
  readonly values?: object
  /** Chart folder. Default: the project's. */
  readonly chart?: string
  /** Release name and namespace. Default: opencode. */
  readonly release?: string
}

/** `helm template` failed: Helm's own words. */
export class RenderError extends Error {
  override readonly name = 'RenderError'
}

const apiVersions = [
  'metrics.k8s.io/v1beta1',
  'postgresql.cnpg.io/v1',
  'keda.sh/v1alpha1',
  'argoproj.io/v1alpha1',
  'monitoring.coreos.com/v1',
]

/** A rendering is over before Helm's garbage collector is worth its time: half of it. */
const env = { ...process.env, GOGC: 'off', GOMAXPROCS: '1' }

/** Renders the chart with `helm template`. @throws {@link RenderError} */
export async function renderText(helm: Helm, input: Input = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'opencode-chart-'))
  try {
    const files = [...(input.files ?? [])]
    if (input.values) {
      files.push(join(folder, 'values.yaml'))
      writeFileSync(join(folder, 'values.yaml'), stringify(input.values, { compat: 'yaml-1.1' }))
    }
    const values = files.flatMap((file) => ['--values', file])
    const versions = [
      '--kube-version',
      '1.36.3',
      ...apiVersions.flatMap((version) => ['--api-versions', version]),
    ]
    const release = input.release ?? 'opencode'
    const args = [
      'template',
      release,
      input.chart ?? chart,
      '--namespace',
      'opencode',
      ...versions,
      ...values,
    ]
    const result = await $({ quiet: true, nothrow: true, env })`${tool(helm)} ${args}`
    if (result.exitCode !== 0) throw new RenderError(result.stderr.trim())
    return result.stdout
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const rendered = new Map<string, Promise<KubernetesObject[]>>()

/** The rendered objects in the order of their ids; the same input is rendered once a run of a test file. */
export function render(helm: Helm, input: Input = {}): Promise<KubernetesObject[]> {
  const key = JSON.stringify([helm, input])
  const known = rendered.get(key)
  if (known) return known
  const objects = renderText(helm, input).then(parseObjects)
  rendered.set(key, objects)
  return objects
}

/** Reads manifests; a key that is there twice is an error. */
export function parseObjects(text: string): KubernetesObject[] {
  const objects = parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    const [error] = 'errors' in document ? document.errors : []
    if (error) throw error
    const object = document.toJS() as KubernetesObject | null
    return object === null ? [] : [object]
  })
  return objects.sort((a, b) => (id(a) < id(b) ? -1 : 1))
}

/** A name for an object that is also a file name. */
export function id({ kind, metadata }: KubernetesObject): string {
  return [kind.toLowerCase(), metadata.namespace ?? 'cluster', metadata.name].join('.')
}
