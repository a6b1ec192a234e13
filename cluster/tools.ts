import { createHash } from 'node:crypto'
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { $ } from 'zx'
import { UserError } from '../scripts/lib/user-error.ts'
import { copyLego } from './ingress/lego.ts'
import { root, tool, toolsBin } from './paths.ts'
import { versions } from './versions.ts'

/** One Go program built from a pinned module. */
export interface Tool {
  /** File name below `.tools/bin`. */
  readonly name: string
  /** Folder of the go.mod that pins it, from the repository's root. */
  readonly module: string
  /** Package path; `./x` is a main of our own inside the module's folder. */
  readonly package: string
  /** Variables set by the linker, most often the version that the program reports. */
  readonly variables?: Readonly<Record<string, string>>
  /** Build tags: what it can do without and takes long to compile. */
  readonly tags?: readonly string[]
  /** Go refuses to build it together with others. */
  readonly alone?: boolean
  /** Makes sources that its go.mod replaces and no repository has. */
  readonly prepare?: () => Promise<void>
}

const cli = 'cluster/tools'
const kubernetes = 'cluster/modules/kubernetes'
const istio = 'cluster/modules/istio'

/** `k8s.io/component-base/version` and `client-go/pkg/version`: kubeadm misbehaves without its own version. */
function kubernetesVariables(): Record<string, string> {
  const [major = '', minor = ''] = versions.kubernetes.split('.')
  const values = {
    gitVersion: `v${versions.kubernetes}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: 'clean',
  }
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
  return Object.fromEntries(
    packages.flatMap((name) =>
      Object.entries(values).map(([key, value]) => [`${name}.${key}`, value]),
    ),
  )
}

/** What every Kubernetes program is part of where all are built: linked once, called by many names. */
const allInOne = './all-in-one'

function kubernetesTool(name: string): Tool {
  return { name, module: kubernetes, package: allInOne, variables: kubernetesVariables() }
}

/** Whether a tool is one name of the program that holds all of Kubernetes. */
export function isAllInOne(one: Tool): boolean {
  return one.package === allInOne
}

/** Istio's control plane and the agent beside each of its proxies: each tells the other its version. */
function istioTool(name: string): Tool {
  const variables = { 'istio.io/istio/pkg/version.buildVersion': versions.istio }
  return { name, module: istio, package: `istio.io/istio/pilot/cmd/${name}`, variables }
}

function containerdTool(name: string): Tool {
  const variables = {
    'github.com/containerd/containerd/v2/version.Version': `v${versions.containerd}`,
  }
  return {
    name,
    module: cli,
    package: `github.com/containerd/containerd/v2/cmd/${name}`,
    variables,
  }
}

/** Of Prometheus' service discovery: without the clouds' client libraries, minutes of compiling. */
const kubernetesOnly = ['remove_all_sd', 'enable_kubernetes_sd']

/** What the repository's scripts and tests call: the smallest first. */
export const cliTools: readonly Tool[] = [
  { name: 'kind', module: kubernetes, package: 'sigs.k8s.io/kind' },
  {
    name: 'kubeconform',
    module: cli,
    package: 'github.com/yannh/kubeconform/cmd/kubeconform',
    variables: { 'main.version': `v${versions.kubeconform}` },
  },
  {
    name: 'helm3',
    module: cli,
    package: 'helm.sh/helm/v3/cmd/helm',
    variables: {
      'helm.sh/helm/v3/internal/version.version': `v${versions.helm3}`,
      // What `helm template` takes for the cluster's version: the released program has that of its client library too.
      ...Object.fromEntries(
        ['chartutil', 'lint/rules'].flatMap((name) => [
          [`helm.sh/helm/v3/pkg/${name}.k8sVersionMajor`, '1'],
          [`helm.sh/helm/v3/pkg/${name}.k8sVersionMinor`, '37'],
        ]),
      ),
    },
  },
  {
    // With Kubernetes: its client libraries, a sixth of all that `up` compiles, are compiled once.
    name: 'helm4',
    module: kubernetes,
    package: 'helm.sh/helm/v4/cmd/helm',
    variables: { 'helm.sh/helm/v4/internal/version.version': `v${versions.helm4}` },
  },
  {
    name: 'promtool',
    module: cli,
    package: 'github.com/prometheus/prometheus/cmd/promtool',
    tags: kubernetesOnly,
  },
  { name: 'values-check', module: cli, package: './values-check' },
  { name: 'istio-analyze', module: istio, package: './analyze' },
  istioTool('pilot-discovery'),
  istioTool('pilot-agent'),
  // Alone, as it is all that is needed of Kubernetes where images are pulled.
  { ...kubernetesTool('kubectl'), package: 'k8s.io/kubernetes/cmd/kubectl' },
]

/** Only for hosts that may not raise limits. */
export const restrictedRuntime: Tool = {
  name: 'restricted-runtime',
  module: cli,
  package: './restricted-runtime',
}

/** What the node image and the cluster's own images are made of where no container registry is in reach. */
export const clusterTools: readonly Tool[] = [
  containerdTool('containerd'),
  containerdTool('containerd-shim-runc-v2'),
  containerdTool('ctr'),
  ...[
    'kubelet',
    'kubeadm',
    'kube-apiserver',
    'kube-controller-manager',
    'kube-scheduler',
    'kube-proxy',
    'etcd',
    'metrics-server',
  ].map(kubernetesTool),
  { name: 'coredns', module: kubernetes, package: './coredns' },
  { name: 'pause', module: cli, package: './pause' },
  { name: 'pod-network', module: cli, package: './pod-network' },
  // It spells one of its imports, logrus, in capitals; the others do not.
  {
    name: 'local-path-provisioner',
    module: kubernetes,
    package: 'github.com/rancher/local-path-provisioner',
    alone: true,
  },
  { name: 'registry', module: cli, package: './registry' },
  {
    name: 'envoy-gateway',
    module: kubernetes,
    package: 'github.com/envoyproxy/gateway/cmd/envoy-gateway',
  },
]

const operators = 'cluster/modules/operators'
const monitoring = 'cluster/modules/monitoring'
const rollouts = 'cluster/modules/rollouts'

/** Splits a canary's traffic for Argo Rollouts; built where images are pulled, too. */
export const rolloutsPlugin: Tool = {
  name: 'rollouts-gateway-plugin',
  module: rollouts,
  package: './gateway-plugin',
}

/** The controllers of the production profile. */
export const operatorTools: readonly Tool[] = [
  {
    name: 'cnpg-manager',
    module: operators,
    package: 'github.com/cloudnative-pg/cloudnative-pg/cmd/manager',
    variables: {
      'github.com/cloudnative-pg/cloudnative-pg/pkg/versions.buildVersion': versions.cloudNativePg,
    },
  },
  {
    name: 'rollouts-controller',
    module: rollouts,
    package: 'github.com/argoproj/argo-rollouts/cmd/rollouts-controller',
  },
  { name: 'keda', module: operators, package: 'github.com/kedacore/keda/v2/cmd/operator' },
  { name: 'keda-adapter', module: operators, package: 'github.com/kedacore/keda/v2/cmd/adapter' },
  {
    name: 'keda-admission-webhooks',
    module: operators,
    package: 'github.com/kedacore/keda/v2/cmd/webhooks',
  },
  {
    name: 'prometheus',
    module: 'cluster/modules/prometheus',
    package: 'github.com/prometheus/prometheus/cmd/prometheus',
    tags: kubernetesOnly,
  },
  {
    name: 'prometheus-operator',
    module: monitoring,
    package: 'github.com/prometheus-operator/prometheus-operator/cmd/operator',
  },
  {
    name: 'prometheus-config-reloader',
    module: monitoring,
    package: 'github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader',
  },
  rolloutsPlugin,
]

/** The ingress controller that reads the annotations of ingress-nginx. */
export const traefik: Tool = {
  name: 'traefik',
  module: 'cluster/modules/traefik',
  package: 'github.com/traefik/traefik/v3/cmd/traefik',
  variables: { 'github.com/traefik/traefik/v3/pkg/version.Version': versions.traefik },
  prepare: copyLego,
}

/** The tool of that name. @throws Error when none of them has it */
export function toolNamed(name: string, tools: readonly Tool[]): Tool {
  const found = tools.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no tool builds ${name}`)
  return found
}

/** What has to be equal for a built tool to be used again: module files, own sources, linker flags, toolchain. */
export function toolStamp(one: Tool): string {
  const hash = createHash('sha256').update(versions.goToolchain).update(JSON.stringify(one))
  const folder = join(root, one.module)
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(folder, file)))
  if (one.package.startsWith('./')) {
    const sources = join(folder, one.package)
    for (const file of readdirSync(sources).sort()) hash.update(readFileSync(join(sources, file)))
  }
  return hash.digest('hex')
}

function stampFile(one: Tool): string {
  return join(toolsBin, '..', 'stamps', one.name)
}

/** Whether a tool has been built from exactly what is pinned now. */
export function isBuilt(one: Tool): boolean {
  const stamp = stampFile(one)
  return (
    existsSync(tool(one.name)) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === toolStamp(one)
  )
}

/** The file name that `go build` gives a program; tools of the same package are one program. */
function executable(one: Tool): string {
  return basename(one.package)
}

/**
 * Tools that one `go build` makes together, so that every core works while one program is linked: of the same module, and
 * where two have the same file name, of the same package.
 */
export function batches(tools: readonly Tool[]): Tool[][] {
  const all: Tool[][] = []
  for (const one of tools) {
    const together = (other: Tool): boolean =>
      !other.alone &&
      other.module === one.module &&
      (executable(other) !== executable(one) || other.package === one.package)
    const fits = one.alone ? undefined : all.find((batch) => batch.every(together))
    if (fits) fits.push(one)
    else all.push([one])
  }
  return all
}

/** Arguments of `go build` for tools of one module. The linker passes over variables of packages that a program does not have. */
export function buildArguments(batch: readonly Tool[], folder: string): string[] {
  const variables = batch.flatMap((one) =>
    Object.entries(one.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`),
  )
  const flags = ['-s', '-w', ...new Set(variables)].join(' ')
  const tags = [...new Set(batch.flatMap((one) => one.tags ?? []))]
  return [
    'build',
    '-v',
    '-mod=readonly',
    '-trimpath',
    // The linker leaves symbols for debuggers out (-w); the compiler need not make them.
    '-gcflags=all=-dwarf=false',
    '-tags',
    tags.join(','),
    '-ldflags',
    flags,
    '-o',
    `${folder}/`,
    ...new Set(batch.map((one) => one.package)),
  ]
}

async function build(
  batch: readonly Tool[],
  title: string,
  line: (text: string) => void,
): Promise<void> {
  const { module } = batch[0] as Tool
  // Built beside their place and moved there: another process never sees half a program.
  const folder = mkdtempSync(join(toolsBin, '.building-'))
  try {
    for (const one of batch) await one.prepare?.()
    const env = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: versions.goToolchain }
    const run = $({
      cwd: join(root, module),
      env,
      nothrow: true,
      quiet: true,
    })`go ${buildArguments(batch, folder)}`
    let told = Date.now()
    let packages = 0
    for await (const chunk of run.stderr) {
      packages += String(chunk).split('\n').length - 1
      if (Date.now() - told < 15_000) continue
      told = Date.now()
      line(`${title}: ${packages.toString()} packages compiled`)
    }
    const result = await run
    if (result.exitCode !== 0) {
      throw new UserError(
        `${title} failed (go.mod in ${module}):\n${result.stderr.trimEnd().split('\n').slice(-15).join('\n')}`,
      )
    }
    for (const one of batch) {
      // A program with several names is several links to one file.
      linkSync(join(folder, executable(one)), join(folder, `.${one.name}`))
      renameSync(join(folder, `.${one.name}`), tool(one.name))
      writeFileSync(stampFile(one), toolStamp(one))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Builds the tools that are missing or older than what is pinned; does nothing for the others.
 * @throws UserError when Go is missing or too old to fetch its own toolchain, or a build fails.
 */
export async function ensureTools(
  tools: readonly Tool[],
  line: (text: string) => void,
): Promise<void> {
  const missing = tools.filter((one) => !isBuilt(one))
  if (missing.length === 0) return
  await requireGo()
  mkdirSync(toolsBin, { recursive: true })
  mkdirSync(join(toolsBin, '..', 'stamps'), { recursive: true })
  const all = batches(missing)
  const waiting = [...all.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, batch] = next
      const title = `building ${batch.map((one) => one.name).join(', ')} (${index + 1} of ${all.length})`
      line(title)
      await build(batch, title, line)
    }
  }
  // Two at a time: one downloads or links its last program, which keeps one core busy at most, while the other compiles.
  await Promise.all([work(), work()])
}

async function requireGo(): Promise<void> {
  const result = await $({
    quiet: true,
    nothrow: true,
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  })`go env GOVERSION`
  const [major = 0, minor = 0] = result.stdout.trim().replace('go', '').split('.').map(Number)
  if (result.exitCode !== 0)
    throw new UserError(
      'Go is not installed. Install Go 1.21 or newer (https://go.dev/doc/install); it fetches the rest.',
    )
  if (major === 1 && minor < 21)
    throw new UserError(
      `Go 1.${minor} is too old to fetch ${versions.goToolchain}. Install Go 1.21 or newer.`,
    )
}
