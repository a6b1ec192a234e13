import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { goModuleDir } from '../../cluster/go-module.ts'
import { poll } from '../../cluster/poll.ts'
import { render, type KubernetesObject } from '../chart/lib/render.ts'
import { askHost, type Answer, type Asked } from '../cluster/lib/by-host.ts'
import { freePort } from '../services/support/free-port.ts'
import { ApiServer } from './lib/api-server.ts'
import { Authority, type Certificate } from './lib/certificates.ts'
import { ControlPlane } from './lib/control-plane.ts'
import {
  gatewayIp,
  labelsOf,
  pods,
  programs,
  surroundings,
  withWeight,
  type Endpoint,
  type PodName,
} from './lib/mesh.ts'
import { startProxy, type Mesh, type Proxy, type ProxyInput } from './lib/proxy.ts'
import { withCanary } from './lib/values.ts'

const all = programs.map(({ origin }) => origin)
const stable = programs
  .filter(({ service }) => service === 'opencode-api')
  .map(({ origin }) => origin)

describe("Istio's control plane, its agents and Envoy with the chart's objects", () => {
  const folder = mkdtempSync(join(tmpdir(), 'istio-mesh-'))
  const proxies = new Map<string, Proxy>()
  const endpoints: Endpoint[] = []
  let api: ApiServer | undefined
  let plane: ControlPlane | undefined
  let chart: KubernetesObject[] = []
  let url = ''
  let worker: Certificate
  let stranger: Certificate

  const ask = (method: string, path: string, asked: Asked = {}): Promise<Answer> =>
    askHost(url, 'api.opencode.io', path, { ...asked, method })
  const nameOf = ({ headers }: Answer): unknown => headers['x-origin']
  const reached = (): number => all.reduce((sum, { requests }) => sum + requests.length, 0)

  let start: (input: ProxyInput) => Promise<void>

  async function startPod(name: PodName): Promise<void> {
    const { ip, component } = pods[name]
    await start({
      kind: 'sidecar',
      name,
      namespace: 'opencode',
      serviceAccount: `opencode-${component}`,
      labels: labelsOf(name),
      ip,
    })
  }

  /** A request from inside the mesh to the API's pod, past its Service. */
  function insideTo(path: string, certificate?: Certificate): Promise<number> {
    const { port = 0 } = endpoints.find(({ service }) => service === 'opencode-api') ?? {}
    const options: RequestOptions = {
      host: pods['api-0'].ip,
      port,
      path,
      agent: false,
      signal: AbortSignal.timeout(10_000),
    }
    const tls = certificate && {
      cert: readFileSync(certificate.chain),
      key: readFileSync(certificate.key),
      ca: readFileSync(certificate.root),
      // A workload's name is not that of a host.
      checkServerIdentity: () => undefined,
    }
    return new Promise((resolve, reject) => {
      const request = tls ? tlsRequest({ ...options, ...tls }) : plainRequest(options)
      request
        .on('response', (response) => {
          resolve(response.resume().statusCode ?? 0)
        })
        .on('error', reject)
        .end()
    })
  }

  beforeAll(async () => {
    for (const { service, pod, origin } of programs)
      endpoints.push({ service, pod, port: await freePort(), program: await origin.start() })
    const gatewayPort = await freePort()
    chart = (await render('helm4', { values: withCanary })).filter(({ apiVersion }) =>
      apiVersion.includes('istio.io/'),
    )
    api = await ApiServer.start(join(folder, 'api'))
    const sources = await goModuleDir('istio.io/istio', 'cluster/modules/istio')
    await api.apply(join(sources, 'manifests', 'charts', 'base', 'files', 'crd-all.gen.yaml'))
    await api.established()
    const namespaces = ['istio-system', 'istio-ingress', 'opencode', 'opencode-workers']
    await api.apply(
      namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
    )
    await api.apply([...chart, ...surroundings(endpoints, gatewayPort)])
    const { address: discoveryAddress } = (plane = await ControlPlane.start(folder, api.kubeconfig))
    const authority = new Authority(join(folder, 'authority'))
    const mesh: Mesh = {
      folder,
      authority,
      discoveryAddress,
      bootstrap: join(sources, 'tools', 'packaging', 'common', 'envoy_bootstrap.json'),
    }
    start = async (input) => {
      proxies.set(input.name, await startProxy(input, mesh))
    }
    for (const name of Object.keys(pods) as PodName[]) await startPod(name)
    await start({
      kind: 'router',
      name: 'gateway',
      namespace: 'istio-ingress',
      serviceAccount: 'gateway',
      labels: { istio: 'gateway' },
      ip: gatewayIp,
    })
    worker = authority.issue(
      { namespace: 'opencode-workers', serviceAccount: 'opencode-worker' },
      join(folder, 'worker'),
    )
    stranger = authority.issue(
      { namespace: 'default', serviceAccount: 'default' },
      join(folder, 'stranger'),
    )
    url = `http://127.0.0.1:${gatewayPort}`
    await poll(
      'the gateway',
      30,
      async () => (await ask('GET', '/session').catch(() => undefined))?.status === 200,
    )
  }, 180_000)

  afterAll(async () => {
    for (const proxy of proxies.values()) await proxy.stop()
    await plane?.stop()
    await api?.stop()
    for (const origin of all) origin.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  beforeEach(() => {
    for (const origin of all) {
      origin.behaviours = ['answer']
      origin.requests.length = 0
    }
  })

  it('lead hosts to the API, spread over its pods', async () => {
    const names = new Set<unknown>()
    for (let count = 0; count < 40; count += 1) names.add(nameOf(await ask('GET', '/session')))
    expect(names).toEqual(new Set(['stable-0', 'stable-1']))
  })

  it('lead who asks for it to the next version, whatever the method', async () => {
    for (const method of ['GET', 'POST'])
      expect(nameOf(await ask(method, '/session', { headers: { 'x-api-version': 'v2' } }))).toBe(
        'v2',
      )
    expect(nameOf(await ask('GET', '/session', { headers: { 'x-api-version': 'v1' } }))).not.toBe(
      'v2',
    )
  })

  it('lead WebSockets to their handlers', async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, {
      headers: { host: 'events.opencode.io' },
    })
    const message = await new Promise((resolve, reject) => {
      socket
        .on('message', (data: Buffer) => {
          resolve(data.toString())
        })
        .on('error', reject)
    })
    socket.terminate()
    expect(message).toBe('websocket')
  })

  it("hand out a stream's events as they come", async () => {
    expect((await askHost(url, 'events.opencode.io', '/event', { until: /first/ })).text).toContain(
      'first',
    )
  })

  it('keep what only workers call inside', async () => {
    expect((await ask('GET', '/internal/llm/demo/v1/models')).status).toBe(404)
    expect(reached()).toBe(0)
  })

  it('try a read again that a pod refused, and no write', async () => {
    for (const origin of stable) origin.behaviours = ['refuse', 'answer']
    expect((await ask('GET', '/session')).status).toBe(200)
    for (const origin of stable) origin.behaviours = ['refuse']
    const before = reached()
    expect((await ask('POST', '/session/1/message', { body: '{}' })).status).toBe(503)
    expect(reached() - before).toBe(1)
  })

  it('give a canary its share, as the Rollouts controller moves it', async () => {
    const names = async (count: number): Promise<unknown[]> => {
      const found: unknown[] = []
      for (let index = 0; index < count; index += 1)
        found.push(nameOf(await ask('POST', '/session', { body: '{}' })))
      return found
    }
    await api?.apply(withWeight(chart, 20))
    await expect.poll(async () => names(1), { timeout: 20_000 }).toContain('canary')
    const share = (await names(600)).filter((name) => name === 'canary').length / 600
    // Five standard deviations of a fair choice.
    expect(Math.abs(share - 0.2), `share ${share}`).toBeLessThan(0.082)
    await api?.apply(chart)
    await expect.poll(async () => names(60), { timeout: 20_000 }).not.toContain('canary')
  })

  it('let nobody in without a certificate of the mesh', async () => {
    await expect(insideTo('/session')).rejects.toThrow()
    expect(await insideTo('/session', stranger)).toBe(200)
  })

  it('let only workers call what is inside', async () => {
    expect(await insideTo('/internal/llm/demo/v1/models', worker)).toBe(200)
    expect(await insideTo('/internal/llm/demo/v1/models', stranger)).toBe(403)
    expect(await insideTo('/%69nternal/llm/demo/v1/models', stranger)).toBe(403)
    expect(await insideTo('/session/../internal/llm/demo/v1/models', stranger)).toBe(403)
  })

  it.each([
    ['POST', 503, 1],
    ['GET', 200, 2],
  ] as const)(
    'a %s that a dying pod has begun: %d after %d attempts',
    async (method, status, attempts) => {
      for (const origin of stable) origin.behaviours = ['hang']
      const answer = ask(method, '/session/1/message', method === 'POST' ? { body: '{}' } : {})
      await expect.poll(reached).toBe(1)
      const dying = programs.find(({ origin }) => origin.requests.length > 0)
      for (const origin of stable) if (origin !== dying?.origin) origin.behaviours = ['answer']
      await proxies.get(dying?.pod ?? '')?.kill()
      expect((await answer).status).toBe(status)
      // A write that is repeated runs a prompt twice.
      expect(reached()).toBe(attempts)
      if (dying) await startPod(dying.pod)
    },
  )

  // The last one: it takes half a minute until that pod gets requests again.
  it('send nothing more to a pod that fails', async () => {
    const write = async (): Promise<number> =>
      (await ask('POST', '/session', { body: '{}' })).status
    const [, second] = stable
    // What failed before no longer counts once it has answered.
    await expect
      .poll(async () => (await write()) === 200 && second?.requests.length === 1)
      .toBe(true)
    if (second) second.behaviours = ['refuse']
    let failures = 0
    for (let count = 0; count < 60; count += 1) if ((await write()) !== 200) failures += 1
    // Five in a row; one more may be on its way while the pod is taken out. Half of them, without.
    expect(failures).toBeGreaterThanOrEqual(5)
    expect(failures).toBeLessThan(10)
  })
})
