import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { $ } from 'zx'
import { cases } from './cases.ts'
import { chart, root, tool } from './lib/paths.ts'
import { pods } from './lib/pods.ts'
import { helms, render, type KubernetesObject } from './lib/render.ts'

/** A parent chart with the project's chart below it, turned on by a condition and known by an alias. */
function parentChart(): string {
  const folder = mkdtempSync(join(tmpdir(), 'opencode-parent-'))
  mkdirSync(join(folder, 'charts'))
  cpSync(chart, join(folder, 'charts', 'opencode'), { recursive: true })
  const dependency = {
    name: 'opencode',
    version: '>=0.0.0',
    repository: '',
    condition: 'opencode.enabled',
  }
  writeFileSync(
    join(folder, 'Chart.yaml'),
    stringify({ apiVersion: 'v2', name: 'platform', version: '1.0.0', dependencies: [dependency] }),
  )
  writeFileSync(
    join(folder, 'values.yaml'),
    stringify({
      opencode: { enabled: true },
      global: { imageRegistry: 'mirror.example.com', team: { name: 'platform' } },
    }),
  )
  return folder
}

describe.each(helms)('as a subchart under %s', (helm) => {
  const parent = parentChart()

  test("it takes the parent's global, and ignores what it does not know there", async () => {
    const objects = await render(helm, {
      chart: parent,
      values: { global: { imagePullSecrets: ['mirror'] } },
    })
    const deployments = objects.filter(({ kind }) => kind === 'Deployment')
    expect(deployments.map(({ metadata }) => metadata.name)).toEqual([
      'opencode-sandbox',
      'opencode-worker',
      'opencode-api',
      'opencode-websocket',
    ])
    for (const { owner, pod } of pods(deployments)) {
      expect(pod.containers[0]?.image, owner).toMatch(/^mirror\.example\.com\/opencode\//)
      expect(pod.imagePullSecrets, owner).toEqual([{ name: 'mirror' }])
    }
  })

  test('enabled: false leaves nothing of it', async () => {
    expect(await render(helm, { chart: parent, values: { opencode: { enabled: false } } })).toEqual(
      [],
    )
  })

  test("the parent's values are checked like any others", async () => {
    await expect(
      render(helm, { chart: parent, values: { opencode: { api: { replica: 3 } } } }),
    ).rejects.toThrow(/replica/)
    await expect(
      render(helm, { chart: parent, values: { opencode: { redis: { mode: 'external' } } } }),
    ).rejects.toThrow('redis.mode is "external"')
  })

  test("a parent's null takes a provider away", async () => {
    const llm = {
      providers: {
        demo: null,
        own: { kind: 'openai', baseURL: 'http://models.example.com', models: { m: { name: 'M' } } },
      },
      model: 'own/m',
      smallModel: 'own/m',
    }
    const objects = await render(helm, { chart: parent, values: { opencode: { llm } } })
    const config = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'opencode-llm',
    ) as KubernetesObject & { data: Record<string, string> }
    expect(
      Object.keys((JSON.parse(config.data['llm.json'] ?? '') as { providers: object }).providers),
    ).toEqual(['own'])
  })
})

/** What `helm install` would store and print. */
async function release(name: string): Promise<{
  text: string
  chart: { templates: unknown[]; schema: string }
  info: { notes: string }
}> {
  const files = (cases.find((one) => one.name === name)?.files ?? []).flatMap((file) => [
    '--values',
    file,
  ])
  const args = [
    'install',
    'opencode',
    chart,
    '--namespace',
    'opencode',
    '--dry-run=client',
    '--output',
    'json',
    ...files,
  ]
  const { stdout } = await $({
    quiet: true,
    env: { ...process.env, KUBECONFIG: join(root, 'does-not-exist') },
  })`${tool('helm4')} ${args}`
  return {
    text: stdout,
    ...(JSON.parse(stdout) as {
      chart: { templates: unknown[]; schema: string }
      info: { notes: string }
    }),
  }
}

test('the notes say how to reach the service, and what is missing for production', async () => {
  const { notes } = (await release('default')).info
  expect(notes).toContain('\n  kubectl --namespace opencode rollout status deployment/opencode-api')
  expect(notes).toContain(
    '\n  kubectl --namespace opencode port-forward service/opencode-api 3000:80\n',
  )
  expect(notes.match(/^ {2}- /gm)?.length).toBeGreaterThan(3)
  const production = (await release('us')).info.notes
  expect(production).toContain('\n  kubectl --namespace opencode wait rollout/opencode-api')
  expect(production).toContain('\n  kubectl --namespace opencode get httproutes\n')
  expect(production).not.toMatch(/scripted|one pod|generated here/)
})

test.each(['us', 'eu', 'apac', 'default'])(
  'a release of %s, compressed as Helm stores it, stays under 300 KiB',
  async (name) => {
    const { text, chart: stored } = await release(name)
    expect(stored.templates.length).toBeGreaterThan(50)
    expect(stored.schema).toBeTruthy()
    // Helm's storage driver: JSON, gzip at its best, base64; the Secret's own encoding of that is not Helm's.
    expect(gzipSync(text, { level: 9 }).toString('base64').length).toBeLessThan(300 * 1024)
  },
)

test('what a release need not store is left out of the package', () => {
  const ignored = readFileSync(join(chart, '.helmignore'), 'utf8').split('\n')
  expect(ignored).toEqual(expect.arrayContaining(['README.md', 'ci/']))
})
