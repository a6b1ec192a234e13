import { describe, expect, it } from 'vitest'
import { daemonConfig, runtimeProblem } from '../../cluster/docker-engine.ts'
import { kindConfig, type ClusterOptions } from '../../cluster/kind-cluster.ts'
import { relaxLimits, runtimeSpec } from '../../cluster/node-image.ts'
import { localRef, mirrorConfig } from '../../cluster/registry.ts'
import { versions } from '../../cluster/versions.ts'

const options: ClusterOptions = {
  name: 'opencode',
  region: 'eu',
  port: 8081,
  nodeImage: 'node',
  builtHere: true,
}
const plain = { restricted: false, cgroupVersion: 2 } as const

describe('kindConfig', () => {
  it('makes one control plane and three workers in three zones of the region', () => {
    const nodes = kindConfig(options, plain)['nodes'] as {
      role: string
      labels: Record<string, string>
    }[]
    expect(nodes.map(({ role }) => role)).toEqual(['control-plane', 'worker', 'worker', 'worker'])
    expect(nodes.map(({ labels }) => labels['topology.kubernetes.io/zone'])).toEqual([
      undefined,
      'a',
      'b',
      'c',
    ])
    expect(new Set(nodes.map(({ labels }) => labels['topology.kubernetes.io/region']))).toEqual(
      new Set(['eu']),
    )
  })

  it('leads the port to the gateway on loopback only', () => {
    const nodes = kindConfig(options, plain)['nodes'] as { extraPortMappings?: unknown }[]
    expect(nodes[0]?.extraPortMappings).toEqual([
      { containerPort: 30080, hostPort: 8081, listenAddress: '127.0.0.1' },
    ])
  })

  it('changes nothing for a host without restrictions and a published node image', () => {
    const config = kindConfig({ ...options, builtHere: false }, plain)
    expect(config).not.toHaveProperty('featureGates')
    expect(config['kubeadmConfigPatches']).toEqual([])
  })

  it('allows cgroup v1 and missing capabilities only where they are', () => {
    const config = kindConfig(options, { restricted: true, cgroupVersion: 1 })
    expect(config['featureGates']).toEqual({ KubeletInUserNamespace: true })
    expect(String(config['kubeadmConfigPatches'])).toContain('failCgroupV1: false')
  })

  it('names the CoreDNS that is in the node image', () => {
    expect(String(kindConfig(options, plain)['kubeadmConfigPatches'])).toContain(
      `imageTag: v${versions.coredns}`,
    )
  })
})

describe('daemonConfig', () => {
  it('sets the wrapper as default runtime on restricted hosts only', () => {
    expect(daemonConfig({ restricted: true }, '/wrapper')).toMatchObject({
      runtimes: { restricted: { path: '/wrapper' } },
      'default-runtime': 'restricted',
    })
    expect(daemonConfig({ restricted: false }, '/wrapper')).not.toHaveProperty('runtimes')
  })
})

describe('runtimeProblem', () => {
  it('refuses a running daemon whose containers this host cannot start', () => {
    expect(runtimeProblem({ restricted: true }, 'runc')).toContain('default runtime "runc"')
    expect(runtimeProblem({ restricted: true }, 'restricted')).toBeUndefined()
    expect(runtimeProblem({ restricted: false }, 'runc')).toBeUndefined()
  })
})

describe('node files', () => {
  it('lose what cannot be set without CAP_SYS_RESOURCE', () => {
    const unit =
      '[Service]\nLimitNPROC=infinity\nLimitNOFILE=infinity\nTasksMax=infinity\nOOMScoreAdjust=-999\nRestart=always\n'
    expect(relaxLimits(unit)).toBe('[Service]\nTasksMax=infinity\nRestart=always\n')
  })

  it("get kind's hook and no limits", () => {
    const spec = JSON.parse(
      runtimeSpec('{"process":{"rlimits":[{"type":"RLIMIT_NOFILE"}],"cwd":"/"}}'),
    ) as Record<string, unknown>
    expect(spec).toEqual({
      process: { cwd: '/' },
      hooks: { createContainer: [{ path: '/kind/bin/mount-product-files.sh' }] },
    })
  })
})

describe('registry', () => {
  it('is a mirror without a server of its own, so that upstream follows where it is in reach', () => {
    expect(mirrorConfig()).toContain('[host."http://opencode-registry:5000"]')
    expect(mirrorConfig()).not.toMatch(/^server/m)
  })

  it.each([
    ['ghcr.io/opencode/api:0.1.0', '127.0.0.1:5001/opencode/api:0.1.0'],
    ['docker.io/library/postgres:17', '127.0.0.1:5001/library/postgres:17'],
    [
      'registry.k8s.io/metrics-server/metrics-server:v1',
      '127.0.0.1:5001/metrics-server/metrics-server:v1',
    ],
  ])('holds %s as %s', (ref, expected) => {
    expect(localRef(ref)).toBe(expected)
  })
})
