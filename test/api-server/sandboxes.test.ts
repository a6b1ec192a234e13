import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KubernetesPods } from '../../services/api/sandboxes/kubernetes.ts'
import type { SandboxPod } from '../../services/api/sandboxes/pods.ts'
import { ensureSecrets, parseSecretList, type Cluster } from '../../services/api/secrets.ts'
import { cases } from '../chart/cases.ts'
import { render, type KubernetesObject } from '../chart/lib/render.ts'
import { ApiServer } from '../istio/lib/api-server.ts'

/** The chart's own roles and pool on a real API server with its controllers; nothing runs the pods. */
const folder = mkdtempSync(join(tmpdir(), 'opencode-api-server-'))
const controllers = [
  'deployment-controller',
  'replicaset-controller',
  'garbage-collector-controller',
]
const kinds = ['Namespace', 'ServiceAccount', 'Role', 'RoleBinding', 'ConfigMap', 'Deployment']

let server: ApiServer
let objects: KubernetesObject[]

/** How an account of the chart's reaches the API server. */
async function as(namespace: string, account: string): Promise<Cluster & { ca: string }> {
  const token = await server.kubectl(['create', 'token', account, '--namespace', namespace])
  return { url: server.url, token: token.trim(), ca: readFileSync(server.certificate, 'utf8') }
}

const find = (kind: string, namespace: string, name: string): KubernetesObject | undefined =>
  objects.find(
    ({ kind: own, metadata }) =>
      own === kind && metadata.namespace === namespace && metadata.name === name,
  )

beforeAll(async () => {
  server = await ApiServer.start(folder, controllers)
  objects = (
    await render(
      'helm4',
      cases.find(({ name }) => name === 'default'),
    )
  ).filter(({ kind, metadata }) => kinds.includes(kind) && metadata.name !== 'opencode-api-v2')
  const main = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'opencode' } }
  const isPool = ({ kind, metadata }: KubernetesObject): boolean =>
    kind !== 'Deployment' || metadata.name === 'opencode-sandbox'
  await server.apply([main, ...objects.filter(({ kind }) => kind === 'Namespace')])
  await server.apply(objects.filter((one) => one.kind !== 'Namespace' && isPool(one)))
})

afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('the credentials Job, with the rights that the chart gives it', () => {
  const list = (): ReturnType<typeof parseSecretList> => {
    const { data } = find('ConfigMap', 'opencode', 'opencode-credentials') as unknown as {
      data: { 'secrets.json': string }
    }
    return parseSecretList(data['secrets.json'])
  }
  const value = async (
    kind: string,
    namespace: string,
    name: string,
    key: string,
  ): Promise<string> => {
    const object = JSON.parse(
      await server.kubectl(['get', kind, name, '--namespace', namespace, '--output', 'json']),
    ) as { data: Record<string, string> }
    const text = object.data[key] ?? ''
    return kind === 'secret' ? Buffer.from(text, 'base64').toString() : text
  }
  const privateKey = (): Promise<string> =>
    value('secret', 'opencode', 'opencode-tickets', 'private-key')
  const publicKey = (): Promise<string> =>
    value('configmap', 'opencode-sandboxes', 'opencode-tickets', 'public-key')
  const publicHalf = (pem: string): string =>
    createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'pem' }).toString()

  it('makes the ticket keys: the private one for the API, the public one where sandboxes are', async () => {
    const lines = await ensureSecrets(await as('opencode', 'opencode-credentials'), list())
    expect(lines.at(-1)).toContain('private and public key made')
    expect(await publicKey()).toBe(publicHalf(await privateKey()))
    expect(createPrivateKey(await privateKey()).asymmetricKeyType).toBe('ed25519')
    expect(
      await server.kubectl([
        'get',
        'secrets',
        '--namespace',
        'opencode-sandboxes',
        '--output',
        'name',
      ]),
    ).toBe('')
  })

  it('changes nothing that is there', async () => {
    const before = await privateKey()
    const lines = await ensureSecrets(await as('opencode', 'opencode-credentials'), list())
    expect(lines.every((line) => /(is|are) there$/.test(line))).toBe(true)
    expect(await privateKey()).toBe(before)
  })

  it('makes the public key again where the namespace was lost, or it belongs to another private key', async () => {
    const account = await as('opencode', 'opencode-credentials')
    const configMap = ['configmap', 'opencode-tickets', '--namespace', 'opencode-sandboxes']
    await server.kubectl(['delete', ...configMap])
    await ensureSecrets(account, list())
    expect(await publicKey()).toBe(publicHalf(await privateKey()))
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })
    await server.kubectl([
      'patch',
      ...configMap,
      '--patch',
      JSON.stringify({ data: { 'public-key': other.toString() } }),
    ])
    await ensureSecrets(account, list())
    expect(await publicKey()).toBe(publicHalf(await privateKey()))
  })

  it('refuses a private key that is none, without quoting it', async () => {
    const before = await privateKey()
    const write = (text: string): Promise<string> =>
      server.kubectl([
        ...['patch', 'secret', 'opencode-tickets', '--namespace', 'opencode'],
        ...['--patch', JSON.stringify({ stringData: { 'private-key': text } })],
      ])
    await write('not-a-key')
    const failed = await ensureSecrets(await as('opencode', 'opencode-credentials'), list()).catch(
      String,
    )
    expect(failed).toContain(
      'Secret opencode/opencode-tickets: the value of "private-key" is no Ed25519',
    )
    expect(failed).not.toContain('not-a-key')
    await write(before)
  })
})

describe("the API's account", () => {
  let pods: KubernetesPods
  const podNames = async (selector: string): Promise<string[]> => {
    const output = await server.kubectl([
      ...['get', 'pods', '--namespace', 'opencode-sandboxes', '--selector', selector],
      ...['--output', 'name'],
    ])
    return output.split('\n').filter((line) => line !== '')
  }
  const unclaimed = (): Promise<string[]> => podNames('opencode.io/sandbox=unclaimed')
  const owner = async (name: string): Promise<unknown> =>
    JSON.parse(
      await server.kubectl([
        ...['get', 'pod', name, '--namespace', 'opencode-sandboxes'],
        ...['--output', 'jsonpath={.metadata.ownerReferences}'],
      ]),
    )

  beforeAll(async () => {
    const env = (
      find('Deployment', 'opencode', 'opencode-api')?.['spec'] as {
        template: { spec: { containers: { env: { name: string; value?: string }[] }[] } }
      }
    ).template.spec.containers[0]?.env
    const told = (name: string): string => env?.find((one) => one.name === name)?.value ?? ''
    const { url, token, ca } = await as('opencode', 'opencode-api')
    pods = new KubernetesPods(
      {
        namespace: told('SANDBOX_NAMESPACE'),
        selector: told('SANDBOX_SELECTOR'),
        owner: told('SANDBOX_OWNER'),
        port: 7070,
        ticketPrivateKey: undefined,
        idleSeconds: 600,
        maxAgeSeconds: 86_400,
        maxAwake: 0,
      },
      { url, token: () => Promise.resolve(token), ca },
    )
  })

  it('finds the pods of the pool', async () => {
    await expect.poll(unclaimed, { timeout: 60_000 }).toHaveLength(2)
    expect((await pods.list()).map(({ isClaimed }) => isClaimed)).toEqual([false, false])
  })

  it('takes a pod out of the pool, which the pool then owns and replaces', async () => {
    const [pod, other] = (await pods.list()) as [SandboxPod, SandboxPod]
    expect(await pods.claim(pod)).toBe(true)
    await expect.poll(unclaimed, { timeout: 60_000 }).toHaveLength(2)
    expect(await unclaimed()).toContain(`pod/${other.name}`)
    expect(await unclaimed()).not.toContain(`pod/${pod.name}`)
    // The ReplicaSet has made another and let go of this one; the Deployment owns it, so that uninstalling ends it.
    expect(await owner(pod.name)).toEqual([
      expect.objectContaining({ kind: 'Deployment', name: 'opencode-sandbox', controller: true }),
    ])
    expect(await pods.find(pod.name, pod.uid)).toMatchObject({ isClaimed: true })
  })

  it('takes none that has changed since it was seen', async () => {
    const pod = (await pods.list()).find(({ isClaimed }) => !isClaimed) as SandboxPod
    await server.kubectl([
      ...['annotate', 'pod', pod.name, '--namespace', 'opencode-sandboxes', 'seen=later'],
    ])
    expect(await pods.claim(pod)).toBe(false)
    expect(await pods.find(pod.name, pod.uid)).toMatchObject({ isClaimed: false })
  })

  it('loses no sandbox of a session when the pool is replaced or made smaller', async () => {
    const claimed = (await pods.list()).filter(({ isClaimed }) => isClaimed)
    expect(claimed).toHaveLength(1)
    const deployment = ['deployment/opencode-sandbox', '--namespace', 'opencode-sandboxes']
    await server.kubectl(['scale', ...deployment, '--replicas=0'])
    await expect.poll(unclaimed, { timeout: 60_000 }).toHaveLength(0)
    expect((await pods.list()).map(({ uid }) => uid)).toEqual(claimed.map(({ uid }) => uid))
  })

  it('ends a sandbox', async () => {
    const [claimed] = (await pods.list()) as [SandboxPod]
    await pods.end(claimed.name, claimed.uid)
    await expect
      .poll(() => pods.find(claimed.name, claimed.uid), { timeout: 60_000 })
      .toBeUndefined()
  })

  it('can make no pod, run nothing in one and read no secret', async () => {
    const can = async (verb: string, what: string, namespace: string): Promise<string> => {
      const user = 'system:serviceaccount:opencode:opencode-api'
      const question = ['auth', 'can-i', verb, what, '--namespace', namespace, '--as', user]
      return server.kubectl(question).then(
        (answer) => answer.trim(),
        () => 'no',
      )
    }
    expect(await can('patch', 'pods', 'opencode-sandboxes')).toBe('yes')
    for (const [verb, what, namespace] of [
      ['create', 'pods', 'opencode-sandboxes'],
      ['create', 'pods/exec', 'opencode-sandboxes'],
      ['patch', 'deployments', 'opencode-sandboxes'],
      ['get', 'configmaps', 'opencode-sandboxes'],
      ['get', 'secrets', 'opencode-sandboxes'],
      ['get', 'secrets', 'opencode'],
      ['delete', 'pods', 'opencode'],
      ['delete', 'pods', 'opencode-workers'],
    ] as const)
      expect(await can(verb, what, namespace), `${verb} ${what} in ${namespace}`).toBe('no')
  })
})
