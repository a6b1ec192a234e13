import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { $ } from 'zx'
import { stringify } from 'yaml'
import { tool } from '../../cluster/paths.ts'
import type { Overlay } from '../../schemas/index.ts'
import { renderText } from '../chart/lib/render.ts'
import { behindGateway, mesh, withCanary } from './lib/values.ts'

const folder = mkdtempSync(join(tmpdir(), 'istio-analyze-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The gateway that a mesh's owner would have: its pods and the servers that releases attach to. */
const gateway = [
  {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'istio-ingress', labels: { 'istio-injection': 'enabled' } },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'gateway', namespace: 'istio-ingress', labels: { istio: 'gateway' } },
    spec: { containers: [{ name: 'istio-proxy', image: 'gateway' }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'gateway', namespace: 'istio-ingress' },
    spec: { selector: { istio: 'gateway' }, ports: [{ name: 'http', port: 80, targetPort: 80 }] },
  },
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'public', namespace: 'istio-ingress' },
    spec: {
      selector: { istio: 'gateway' },
      servers: [{ hosts: ['*.opencode.io'], port: { name: 'http', number: 80, protocol: 'HTTP' } }],
    },
  },
]

/** What Istio's own analyzers say of the objects that some values make: errors and warnings, one a line. */
async function analyze(
  name: string,
  values: Overlay,
  change = (text: string): string => text,
): Promise<string[]> {
  const rendered = await renderText('helm4', { values })
  const manifest = join(folder, `${name}.yaml`)
  writeFileSync(
    manifest,
    change([rendered, ...gateway.map((object) => stringify(object))].join('\n---\n')),
  )
  const result = await $({ quiet: true, nothrow: true })`${tool('istio-analyze')} ${manifest}`
  if (result.exitCode === 2) throw new Error(result.stderr)
  return result.stdout
    .split('\n')
    .filter((line) => /^(Error|Warning)/.test(line))
    .map((line) => line.replace(/ \/\S+/, ''))
}

describe("Istio's analyzers", () => {
  it.each([
    ['inside a mesh', mesh],
    ['behind its gateway', behindGateway],
    ['with a canary', withCanary],
    [
      'in an ambient mesh',
      { ...mesh, namespaces: { mesh: 'ambient', main: { create: true } } } satisfies Overlay,
    ],
  ] as const)('find nothing wrong with a release %s', async (name, values) => {
    expect(await analyze(name.replaceAll(' ', '-'), values)).toEqual([])
  })

  it('find a gateway that is not there', async () => {
    const broken = (text: string): string => text.replace('name: public', 'name: other')
    expect((await analyze('no-gateway', behindGateway, broken)).join('\n')).toContain(
      'Referenced gateway not found: "istio-ingress/public"',
    )
  })

  it('find a value that the control plane refuses', async () => {
    const broken = (text: string): string => text.replace('timeout: 300s', 'timeout: 0s')
    expect((await analyze('refused', mesh, broken)).join('\n')).toContain(
      'duration must be greater than 1ms',
    )
  })
})
