import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  addressOf,
  apply,
  createPods,
  namespaces,
  reach,
  removePods,
  run,
  start,
  type PodName,
  type Target,
} from './lib/pods.ts'

const address: Partial<Record<PodName, string>> = {}
let targets: readonly Target[] = []
const clients = ['near', 'far', 'other'] as const
const everything = ['tcp 8080', 'tcp 8081', 'tcp 8090', 'udp 5353', 'service']
const open = { near: everything, far: everything, other: everything }
const closed = { near: [], far: [], other: [] }

/** What each client reaches of the server. */
async function reachable(): Promise<Record<string, string[]>> {
  return Object.fromEntries(
    await Promise.all(
      clients.map(async (client) => [client, await reach(client, targets)] as const),
    ),
  )
}

/** Waits until the clients reach exactly this, and looks once more: what was reached on the way there does not count. */
async function expectReach(expected: Record<string, readonly string[]>): Promise<void> {
  await expect.poll(reachable, { timeout: 45_000, interval: 250 }).toEqual(expected)
  const again = await reachable()
  expect(again, `reached ${JSON.stringify(again)}`).toEqual(expected)
}

function policy(name: string, spec: object, namespace = 'policy-a'): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace },
    spec,
  }
}

const toServer = { matchLabels: { app: 'server' } }
const pod = (app: string): object => ({ podSelector: { matchLabels: { app } } })
const everywhere = { to: [{ namespaceSelector: {} }] }

beforeAll(async () => {
  await createPods()
  for (const name of ['server', ...clients] as const) address[name] = await addressOf(name)
  const server = address.server ?? ''
  const virtual = await run(
    'get',
    'service',
    'server',
    '--namespace',
    'policy-a',
    '--output',
    'jsonpath={.spec.clusterIP}',
  )
  targets = [
    ['tcp 8080', 'tcp', server, 8080],
    ['tcp 8081', 'tcp', server, 8081],
    ['tcp 8090', 'tcp', server, 8090],
    ['udp 5353', 'udp', server, 5353],
    ['service', 'tcp', virtual, 80],
  ]
})

afterEach(async () => {
  await Promise.all(
    namespaces.map((namespace) =>
      run('delete', 'networkpolicy', '--all', '--namespace', namespace),
    ),
  )
  await expectReach(open)
})

afterAll(removePods)

describe('ingress', () => {
  const cases: [string, object, Record<string, string[]>][] = [
    ['denied by default', { podSelector: {}, policyTypes: ['Ingress'] }, closed],
    [
      'allowed from pods of the own namespace',
      { podSelector: toServer, ingress: [{ from: [pod('far')] }] },
      { ...closed, far: everything },
    ],
    [
      'not allowed from pods of another namespace by a pod selector alone',
      { podSelector: toServer, ingress: [{ from: [pod('other')] }] },
      closed,
    ],
    [
      'allowed from a namespace',
      {
        podSelector: toServer,
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'policy-b' } } }] }],
      },
      { ...closed, other: everything },
    ],
    [
      'allowed from some pods of any namespace',
      {
        podSelector: toServer,
        ingress: [
          {
            from: [
              {
                namespaceSelector: {},
                podSelector: {
                  matchExpressions: [{ key: 'app', operator: 'In', values: ['near', 'other'] }],
                },
              },
            ],
          },
        ],
      },
      { near: everything, far: [], other: everything },
    ],
    [
      'allowed to a port',
      { podSelector: toServer, ingress: [{ ports: [{ port: 8081 }] }] },
      { near: ['tcp 8081'], far: ['tcp 8081'], other: ['tcp 8081'] },
    ],
    [
      'allowed to a named port, which a Service leads to as well',
      { podSelector: toServer, ingress: [{ from: [pod('near')], ports: [{ port: 'web' }] }] },
      { ...closed, near: ['tcp 8080', 'service'] },
    ],
    [
      'allowed to a range of ports',
      {
        podSelector: toServer,
        ingress: [{ from: [pod('far')], ports: [{ port: 8081, endPort: 8090 }] }],
      },
      { ...closed, far: ['tcp 8081', 'tcp 8090'] },
    ],
    [
      'allowed to UDP alone',
      { podSelector: toServer, ingress: [{ ports: [{ protocol: 'UDP', port: 5353 }] }] },
      { near: ['udp 5353'], far: ['udp 5353'], other: ['udp 5353'] },
    ],
  ]

  it.each(cases)('is %s', async (_name, spec, expected) => {
    await apply([policy('one', spec)])
    await expectReach(expected)
  })

  it('is allowed from an address block but for its holes', async () => {
    const ipBlock = { cidr: '10.0.0.0/8', except: [`${address.near}/32`, `${address.other}/32`] }
    await apply([policy('one', { podSelector: toServer, ingress: [{ from: [{ ipBlock }] }] })])
    await expectReach({ ...closed, far: everything })
  })

  it('is what any of several policies allows', async () => {
    await apply([
      policy('deny', { podSelector: {}, policyTypes: ['Ingress'] }),
      policy('near', {
        podSelector: toServer,
        ingress: [{ from: [pod('near')], ports: [{ port: 8081 }] }],
      }),
      policy('far', { podSelector: toServer, ingress: [{ from: [pod('far')] }] }),
    ])
    await expectReach({ near: ['tcp 8081'], far: everything, other: [] })
  })

  it("leaves the kubelet's probes and a pod's way to itself open", async () => {
    const ready = async (): Promise<unknown> => {
      const found = JSON.parse(
        await run('get', 'pod', 'server', '--namespace', 'policy-a', '--output', 'json'),
      ) as {
        status: { conditions: { type: string; status: string; lastTransitionTime: string }[] }
      }
      return found.status.conditions.find(({ type }) => type === 'Ready')
    }
    const before = await ready()
    await apply([policy('deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })])
    await expectReach(closed)
    expect(await reach('server', targets)).toEqual(everything)
    // The probe runs every second and one failure is enough: three rounds have passed by now.
    await sleep(3000)
    expect(before).toMatchObject({ status: 'True' })
    expect(await ready()).toEqual(before)
  })

  it('stays open for connections that were there before', async () => {
    const keepAsking = `
      const socket = require('node:net').connect(8080, '${address.server}')
      socket.on('data', () => console.log('answer')).on('close', () => console.log('closed'))
      setInterval(() => socket.write('GET / HTTP/1.1\\r\\nhost: server\\r\\n\\r\\n'), 200)`
    const client = start('far', keepAsking)
    try {
      expect(await client.lines.next()).toMatchObject({ value: 'answer' })
      await apply([policy('deny', { podSelector: {}, policyTypes: ['Ingress'] })])
      await expectReach(closed)
      // Whatever was printed until now has been printed by now; the next ten answers came after the policy.
      const answers: unknown[] = []
      const until = Date.now() + 5000
      while (Date.now() < until) answers.push((await client.lines.next()).value)
      expect(new Set(answers)).toEqual(new Set(['answer']))
    } finally {
      await client.stop()
    }
  })

  it('follows labels and namespaces as they change', async () => {
    await apply([
      policy('one', {
        podSelector: toServer,
        ingress: [{ from: [{ podSelector: { matchLabels: { guest: 'yes' } } }] }],
      }),
    ])
    await expectReach(closed)
    await run('label', 'pod', 'far', '--namespace', 'policy-a', 'guest=yes')
    await expectReach({ ...closed, far: everything })
    await run('label', 'pod', 'far', '--namespace', 'policy-a', 'guest-')
    await expectReach(closed)
  })
})

describe('egress', () => {
  const near = { matchLabels: { app: 'near' } }
  const cases: [string, object, string[]][] = [
    ['denied by default', { podSelector: near, policyTypes: ['Egress'] }, []],
    [
      'allowed to pods',
      { podSelector: near, policyTypes: ['Egress'], egress: [{ to: [pod('server')] }] },
      everything,
    ],
    [
      'not allowed to other pods than those',
      { podSelector: near, policyTypes: ['Egress'], egress: [{ to: [pod('far')] }] },
      [],
    ],
    [
      "allowed to a pod's port, also through a Service with another one",
      {
        podSelector: near,
        policyTypes: ['Egress'],
        egress: [{ to: [pod('server')], ports: [{ port: 8080 }] }],
      },
      ['tcp 8080', 'service'],
    ],
    [
      'allowed to a named port',
      {
        podSelector: near,
        policyTypes: ['Egress'],
        egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 'talk', protocol: 'UDP' }] }],
      },
      ['udp 5353'],
    ],
    [
      'not allowed where the port is that of the Service only',
      { podSelector: near, policyTypes: ['Egress'], egress: [{ ports: [{ port: 80 }] }] },
      [],
    ],
  ]

  it.each(cases)('is %s', async (_name, spec, expected) => {
    await apply([policy('one', spec)])
    await expectReach({ ...open, near: expected })
  })

  it('is allowed to an address block but for its holes', async () => {
    const ipBlock = { cidr: '0.0.0.0/0', except: [`${address.server}/32`] }
    await apply([
      policy('one', {
        podSelector: near,
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock }] }],
      }),
    ])
    await expectReach({ ...open, near: [] })
  })

  it("needs the other side's ingress as well", async () => {
    await apply([
      policy('out', { podSelector: {}, policyTypes: ['Egress'], egress: [everywhere] }),
      policy('in', { podSelector: toServer, ingress: [{ ports: [{ port: 8081 }] }] }),
    ])
    await expectReach({ near: ['tcp 8081'], far: ['tcp 8081'], other: ['tcp 8081'] })
  })

  it('is denied to the Kubernetes API by default, and allowed again without the policy', async () => {
    const server: Target[] = [['kubernetes', 'tcp', 'kubernetes.default.svc.cluster.local', 443]]
    expect(await reach('near', server)).toEqual(['kubernetes'])
    const dns = { to: [{ namespaceSelector: {} }], ports: [{ port: 53, protocol: 'UDP' }] }
    await apply([policy('one', { podSelector: near, policyTypes: ['Egress'], egress: [dns] })])
    await expectReach({ ...open, near: [] })
    expect(await reach('near', server)).toEqual([])
  })

  it("is denied to the pod's own node by default, where the kubelet listens", async () => {
    const node = await run(
      ...['get', 'pod', 'near', '--namespace', 'policy-a'],
      ...['--output', 'jsonpath={.status.hostIP}'],
    )
    const kubelet: Target[] = [['kubelet', 'tcp', node, 10250]]
    expect(await reach('near', kubelet)).toEqual(['kubelet'])
    await apply([policy('one', { podSelector: near, policyTypes: ['Egress'] })])
    await expectReach({ ...open, near: [] })
    expect(await reach('near', kubelet)).toEqual([])
  })
})
