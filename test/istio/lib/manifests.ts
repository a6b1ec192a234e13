import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { $ } from 'zx'
import { root, tool } from '../../../cluster/paths.ts'
import type { Overlay } from '../../../schemas/index.ts'

/** A Kubernetes object. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> }
  readonly spec?: unknown
}

/** Renders the chart as release `opencode` with values, later ones over earlier ones; they are written into `folder`. */
export async function renderChart(folder: string, name: string, values: readonly Overlay[]): Promise<string> {
  const files = values.map((one, index) => {
    const file = join(folder, `${name}-${index}.yaml`)
    writeFileSync(file, stringify(one))
    return file
  })
  const args = ['template', 'opencode', join(root, 'chart'), '--namespace', 'opencode', ...files.flatMap((file) => ['--values', file])]
  return (await $({ quiet: true })`${tool('helm4')} ${args}`).stdout
}

/** The objects of a rendered chart. */
export function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => (document.toJSON() as Manifest | null) ?? [])
}
