import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../../cluster/paths.ts'
import {
  batches,
  buildArguments,
  cliTools,
  clusterTools,
  isAllInOne,
  operatorTools,
  toolStamp,
  traefik,
} from '../../cluster/tools.ts'
import { versions } from '../../cluster/versions.ts'

const goMod = (folder: string): string => readFileSync(join(root, folder, 'go.mod'), 'utf8')

/** The version that a go.mod requires of a module. */
function required(text: string, module: string): string | undefined {
  return new RegExp(`^\\s*(?:require )?${module.replaceAll('.', '\\.')} v(\\S+)`, 'm').exec(
    text,
  )?.[1]
}

describe('versions', () => {
  const tools = goMod('cluster/tools')
  const kubernetes = goMod('cluster/modules/kubernetes')
  const operators = goMod('cluster/modules/operators')

  it.each<[string, string, string]>([
    ['sigs.k8s.io/kind', versions.kind, kubernetes],
    ['helm.sh/helm/v3', versions.helm3, tools],
    ['helm.sh/helm/v4', versions.helm4, kubernetes],
    ['github.com/yannh/kubeconform', versions.kubeconform, tools],
    ['github.com/prometheus/prometheus', versions.prometheus, tools],
    ['github.com/containerd/containerd/v2', versions.containerd, tools],
    ['github.com/coredns/coredns', versions.coredns, kubernetes],
    ['github.com/distribution/distribution/v3', versions.distribution, tools],
    ['github.com/rancher/local-path-provisioner', versions.localPathProvisioner, kubernetes],
    ['k8s.io/kubernetes', versions.kubernetes, kubernetes],
    ['go.etcd.io/etcd/server/v3', versions.etcd, kubernetes],
    ['sigs.k8s.io/metrics-server', versions.metricsServer, kubernetes],
    ['github.com/envoyproxy/gateway', versions.envoyGateway, kubernetes],
    ['github.com/cloudnative-pg/cloudnative-pg', versions.cloudNativePg, operators],
    ['github.com/kedacore/keda/v2', versions.keda, operators],
    ['github.com/prometheus/prometheus', versions.prometheus, goMod('cluster/modules/prometheus')],
    [
      'github.com/prometheus-operator/prometheus-operator',
      versions.prometheusOperator,
      goMod('cluster/modules/monitoring'),
    ],
    ['github.com/argoproj/argo-rollouts', versions.argoRollouts, goMod('cluster/modules/rollouts')],
    ['github.com/traefik/traefik/v3', versions.traefik, goMod('cluster/modules/traefik')],
    ['github.com/go-acme/lego/v5', versions.lego, goMod('cluster/modules/traefik')],
  ])('%s is what go.mod requires', (module, version, text) => {
    expect(required(text, module)).toBe(version)
  })

  it('pins every staging module of Kubernetes to the same release', () => {
    const releases = [...kubernetes.matchAll(/^\s+k8s\.io\/\S+ => k8s\.io\/\S+ v(\S+)$/gm)].map(
      ([, version]) => version,
    )
    expect(releases.length).toBeGreaterThan(25)
    expect(new Set(releases)).toEqual(new Set([versions.kubernetes.replace(/^1/, '0')]))
  })
})

describe('tools', () => {
  const all = [...cliTools, ...clusterTools, ...operatorTools, traefik]

  it('have names of their own', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
  })

  it('are stamped by what they are made from', () => {
    const [first] = cliTools
    expect(first).toBeDefined()
    if (first === undefined) return
    expect(toolStamp(first)).toBe(toolStamp({ ...first }))
    expect(toolStamp({ ...first, variables: { 'main.version': 'v9' } })).not.toBe(toolStamp(first))
  })

  it('are built from the locked modules only', () => {
    const kubeadm = clusterTools.find(({ name }) => name === 'kubeadm')
    expect(kubeadm).toBeDefined()
    if (kubeadm === undefined) return
    const args = buildArguments([kubeadm], '/out')
    expect(args).toContain('-mod=readonly')
    expect(args.join(' ')).toContain(
      `-X k8s.io/component-base/version.gitVersion=v${versions.kubernetes}`,
    )
    expect(args.slice(-3)).toEqual(['-o', '/out/', './all-in-one'])
  })

  it('leave out what they can do without and takes minutes to compile', () => {
    const prometheus = operatorTools.find(({ name }) => name === 'prometheus')
    const args = buildArguments(prometheus === undefined ? [] : [prometheus], '/out')
    expect(args[args.indexOf('-tags') + 1]).toBe('remove_all_sd,enable_kubernetes_sd')
  })

  it('link all of Kubernetes once, however many names it is called by', () => {
    const programs = clusterTools.filter(isAllInOne)
    expect(programs.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['kubelet', 'kube-apiserver', 'etcd', 'metrics-server']),
    )
    const packages = buildArguments(programs, '/out').slice(-2)
    expect(packages).toEqual(['/out/', './all-in-one'])
  })

  it('are built together where they share a module, but never two packages of one file name', () => {
    const names = batches(all).map((batch) => batch.map(({ name }) => name))
    expect(names.flat().sort()).toEqual(all.map(({ name }) => name).sort())
    const together = (one: string): string[] => names.find((batch) => batch.includes(one)) ?? []
    expect(together('kubelet')).toEqual(expect.arrayContaining(['kubeadm', 'kube-apiserver']))
    expect(together('helm3')).not.toContain('helm4')
    expect(together('containerd')).not.toContain('kubelet')
  })
})
