import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { userToken } from '../../cluster/first-prompt.ts'
import { ensureIngressController } from '../../cluster/ingress/index.ts'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { poll } from '../../cluster/poll.ts'
import { publicRegistryReachable } from '../../cluster/public-registry.ts'
import {
  helm,
  installRelease,
  removeRelease,
  waitForRelease,
  type Release,
} from '../../cluster/release.ts'
import { sharedGateway } from '../../cluster/service.ts'
import { askHost, type Answer, type Asked } from './lib/by-host.ts'
import { kindValues, options, release, url as gatewayUrl } from './lib/environment.ts'

const silent = (): void => undefined
const hosts = { api: 'api.example.test', events: 'events.example.test' }
const directory = 'directory=/workspace/demo'

/** The cluster's own gateway, with a way to the next version of the API. */
const gateway = { ...sharedGateway, v2: { enabled: true } }
/** The next version: a release of its own in the same namespace, with no way in but that one. */
const next: Release = { ...release, name: 'next' }
const nextValues = {
  api: { podLabels: { 'opencode.io/api-version': 'v2' } },
  worker: { replicas: 0 },
  websocket: { enabled: false },
  sandbox: { pool: { replicas: 0 } },
}

/** The document's annotations on a controller that reads them; TLS is left out because nothing signs certificates here. */
const values = {
  api: { replicas: 2 },
  hosts: {
    api: { host: hosts.api, streams: false },
    events: { host: hosts.events, streams: true },
  },
  gateway,
  ingress: {
    enabled: true,
    tls: { enabled: false },
    annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '1k' },
  },
}

let token: string

describe('the Ingresses', () => {
  let url: string

  const ask = (host: string, path: string, asked: Asked = {}): Promise<Answer> =>
    askHost(url, host, path, {
      ...asked,
      headers: { authorization: `Bearer ${token}`, ...asked.headers },
    })

  /** Pods that answered `count` requests to the streams' host. */
  async function podsThatAnswered(
    count: number,
    headers: Record<string, string>,
  ): Promise<Set<string>> {
    const ids = Array.from({ length: count }, () => randomUUID())
    for (const id of ids)
      expect(
        (
          await ask(hosts.events, `/session?${directory}`, {
            headers: { ...headers, 'x-request-id': id },
          })
        ).status,
      ).toBe(200)
    const selector = `app.kubernetes.io/instance=${release.name},app.kubernetes.io/component=api`
    const logs = await kubectl(options.name, [
      'logs',
      '--namespace',
      release.namespace,
      '--selector',
      selector,
      '--prefix',
      '--tail=-1',
    ])
    const lines = logs
      .split('\n')
      .filter((line) => ids.some((id) => line.includes(id) && line.includes('"msg":"request"')))
    expect(lines).toHaveLength(count)
    return new Set(lines.map((line) => line.slice(0, line.indexOf(']'))))
  }

  beforeAll(async () => {
    await removeRelease(release)
    url = await ensureIngressController(options.name, !(await publicRegistryReachable()), silent)
    await installRelease(release, { valuesFiles: [kindValues], values })
    await waitForRelease(release, 480, silent)
    token = await userToken(release)
    await poll(
      "the controller's routes",
      60,
      async () => (await ask(hosts.api, '/health/ready')).status === 200,
    )
    // It gathers changes for two seconds: a pod that is ready may be unknown to it.
    await poll(
      'both pods behind the controller',
      60,
      async () => (await podsThatAnswered(4, {})).size === 2,
    )
  })

  afterAll(async () => {
    await kubectl(options.name, ['delete', 'namespace', 'traefik', '--timeout=120s'])
  })

  it('lead a host to the API and no other host anywhere', async () => {
    expect((await ask(hosts.api, `/session?${directory}`)).status).toBe(200)
    expect((await ask('other.example.test', '/health/ready')).status).toBe(404)
  })

  it('keep what only workers call inside', async () => {
    expect((await ask(hosts.api, '/internal/llm/demo/v1/models')).status).toBe(503)
  })

  it("refuse a body above the annotation's limit", async () => {
    // So small that it arrives whole: of a larger one a client may see a reset connection instead of the answer.
    const answer = await ask(hosts.api, `/session?${directory}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'x'.repeat(2_000) }),
    })
    expect(answer.status).toBe(413)
    // The API's own refusals are problem documents.
    expect(answer.headers['content-type']).toBeUndefined()
  })

  it("hand out a stream's events as they come", async () => {
    const { status, text } = await ask(hosts.events, `/event?${directory}`, {
      until: /server\.connected/,
    })
    expect(status).toBe(200)
    expect(text).toContain('server.connected')
  })

  it("lead a client of the streams' host back to its pod by a cookie", async () => {
    const first = await ask(hosts.events, '/health/ready')
    const [cookie = ''] = first.headers['set-cookie'] ?? []
    expect(cookie).toMatch(/^opencode-route=[^;]+;.*Max-Age=172800;.*HttpOnly/)
    expect(
      await podsThatAnswered(10, { cookie: cookie.slice(0, cookie.indexOf(';')) }),
    ).toHaveProperty('size', 1)
    expect(await podsThatAnswered(10, {})).toHaveProperty('size', 2)
  })

  it("give clients of the API's host no cookie", async () => {
    expect((await ask(hosts.api, '/health/ready')).headers['set-cookie']).toBeUndefined()
  })
})

describe("the gateway's routes, with a next version beside the service", () => {
  let nextToken: string

  /** Status of a request that only the release of the token accepts. */
  const status = async (bearer: string, headers: Record<string, string>): Promise<number> =>
    (
      await askHost(gatewayUrl, hosts.api, `/session?${directory}`, {
        headers: { authorization: `Bearer ${bearer}`, ...headers },
      })
    ).status
  const statuses = async (bearer: string, headers: Record<string, string>): Promise<Set<number>> =>
    new Set(await Promise.all(Array.from({ length: 20 }, () => status(bearer, headers))))

  beforeAll(async () => {
    await installRelease(next, { valuesFiles: [kindValues], values: nextValues })
    await waitForRelease(next, 480, silent)
    nextToken = await userToken(next)
    await poll(
      'the route to the next version',
      60,
      async () => (await status(nextToken, { 'x-api-version': 'v2' })) === 200,
    )
  })

  afterAll(async () => {
    await helm(next, ['uninstall', next.name])
  })

  it('lead who asks for it to the next version, and to no other', async () => {
    expect(await statuses(nextToken, { 'x-api-version': 'v2' })).toEqual(new Set([200]))
    expect(await statuses(token, { 'x-api-version': 'v2' })).toEqual(new Set([401]))
  })

  it.each([{}, { 'x-api-version': 'v1' }])(
    'lead everybody else to the service: %o',
    async (headers) => {
      expect(await statuses(token, headers)).toEqual(new Set([200]))
      expect(await statuses(nextToken, headers)).toEqual(new Set([401]))
    },
  )

  it('lead streams there as well', async () => {
    const headers = { authorization: `Bearer ${nextToken}`, 'x-api-version': 'v2' }
    const { text } = await askHost(gatewayUrl, hosts.api, `/event?${directory}`, {
      headers,
      until: /server\.connected/,
    })
    expect(text).toContain('server.connected')
  })
})
