import { beforeAll, describe, expect, it } from 'vitest'
import { workersNamespace } from '../../cluster/release.ts'
import { api, exec, podOf } from './lib/kubernetes.ts'

/** A TCP connection from a pod: 0 when it opens, else why not. Node.js is in the image; other tools may not be. */
const connect = (host: string, port: number): string[] => {
  const program = `
    const socket = require('node:net').connect({ host: '${host}', port: ${port}, timeout: 4000 })
    socket.on('connect', () => { console.log('open'); process.exit(0) })
    socket.on('timeout', () => { console.log('timeout'); process.exit(7) })
    socket.on('error', (error) => { console.log(error.code); process.exit(8) })`
  return ['node', '-e', program]
}

// At once: what is not reached is waited for.
describe.concurrent.each(['worker', 'engine'])('the %s container of a tool worker', (container) => {
  let pod = ''

  beforeAll(async () => {
    pod = await podOf(workersNamespace, 'worker')
  })

  it.each([
    ['the API', 'opencode-api.opencode.svc.cluster.local', 80],
    ['Redis', 'opencode-redis.opencode.svc.cluster.local', 6379],
  ])('reaches %s', async (_name, host, port) => {
    expect(await exec(workersNamespace, pod, container, connect(host, port))).toMatchObject({
      code: 0,
    })
  })

  it.each([
    ['PostgreSQL', 'opencode-postgres.opencode.svc.cluster.local', 5432],
    ['the Kubernetes API', 'kubernetes.default.svc.cluster.local', 443],
    ['the internet', '1.1.1.1', 443],
    ['cloud metadata', '169.254.169.254', 80],
    ['the WebSocket handlers', 'opencode-websocket.opencode.svc.cluster.local', 80],
  ])('does not reach %s', async (_name, host, port) => {
    const { code, output } = await exec(workersNamespace, pod, container, connect(host, port))
    expect(output).not.toContain('open')
    expect([7, 8]).toContain(code)
  })

  it('has no Kubernetes credential', async () => {
    const { code } = await exec(workersNamespace, pod, container, [
      'ls',
      '/var/run/secrets/kubernetes.io',
    ])
    expect(code).not.toBe(0)
  })
})

describe("credentials of the workers' namespace", () => {
  it("are Redis' alone", async () => {
    const { items } = await api().core.listNamespacedSecret({ namespace: workersNamespace })
    expect(
      items.map(({ metadata }) => metadata?.name).filter((name) => !name?.startsWith('sh.helm')),
    ).toEqual(['opencode-redis'])
  })

  it('do not reach the engine, where models run tools', async () => {
    const pod = await podOf(workersNamespace, 'worker')
    const { output } = await exec(workersNamespace, pod, 'engine', ['cat', '/proc/1/environ'])
    expect(output).not.toMatch(/REDIS|PASSWORD|SECRET|DATABASE|TOKEN/)
  })
})
