import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { hashFiles, type ProgramImage } from './docker-image.ts'
import { goModuleDir } from './go-module.ts'
import { clusterEnv, kubectl } from './kind-cluster.ts'
import { publishProgram } from './images/publish.ts'
import { root, stateDir, tool } from './paths.ts'
import { poll } from './poll.ts'
import { ensureTools, operatorTools, rolloutsPlugin, toolNamed } from './tools.ts'
import { twoPods } from './two-pods.ts'
import { versions } from './versions.ts'

/** A controller of the production profile, installed from its own module's manifests. */
export interface Operator {
  readonly name: string
  readonly namespace: string
  /** Go module and the folder of the go.mod that pins it. */
  readonly module: string
  readonly from: string
  /** File or kustomization below the module. */
  readonly manifest: string
  /** The manifest's objects name no namespace of their own. */
  readonly bare?: boolean
  /** Namespace that the manifest's objects name instead of {@link namespace}. */
  readonly renamed?: string
  /** Deployments that run twice, so that one is there when a node takes the other along. */
  readonly twice?: readonly string[]
  /** Objects, or parts of them, applied over the manifest: a file, and what replaces `__NAME__` in it. */
  readonly over?: { readonly file: string; readonly values: Readonly<Record<string, string>> }
  /** References in the manifest and the built program that stands behind each where no registry is in reach. */
  readonly images: Readonly<Record<string, Omit<ProgramImage, 'file'>>>
}

const operatorsModule = 'cluster/modules/operators'

/** Image of the plugin that moves a canary's traffic: our own, so it is built and pushed in any case. */
export const pluginImage = `docker.io/opencode-test/rollouts-gateway-plugin:v${versions.argoRollouts}`

const prometheus = {
  image: `quay.io/prometheus/prometheus:${prometheusVersion()}`,
  operator: `quay.io/prometheus-operator/prometheus-operator:v${versions.prometheusOperator}`,
  reloader: `quay.io/prometheus-operator/prometheus-config-reloader:v${versions.prometheusOperator}`,
} as const

/** The release that a version of the Go module is: module v0.316.0 is Prometheus v3.16.0. */
function prometheusVersion(): string {
  return versions.prometheus.replace(/^0\.(\d+)(\d\d)\./, 'v$1.$2.')
}

/** Controllers that the production profile of the chart relies on. */
export const operators: readonly Operator[] = [
  {
    name: 'CloudNativePG',
    namespace: 'cnpg-system',
    module: 'github.com/cloudnative-pg/cloudnative-pg',
    from: operatorsModule,
    manifest: `releases/cnpg-${versions.cloudNativePg}.yaml`,
    twice: ['cnpg-controller-manager'],
    images: {
      [`ghcr.io/cloudnative-pg/cloudnative-pg:${versions.cloudNativePg}`]: {
        program: 'cnpg-manager',
        // Instances are started with the manager of their own architecture, copied from here.
        path: '/operator/manager_amd64',
        link: '/manager',
      },
    },
  },
  {
    name: 'KEDA',
    namespace: 'keda',
    module: 'github.com/kedacore/keda/v2',
    from: operatorsModule,
    manifest: 'config/default',
    twice: ['keda-operator'],
    images: {
      [`ghcr.io/kedacore/keda:${versions.keda}`]: { program: 'keda', path: '/keda' },
      [`ghcr.io/kedacore/keda-metrics-apiserver:${versions.keda}`]: {
        program: 'keda-adapter',
        path: '/keda-adapter',
      },
      [`ghcr.io/kedacore/keda-admission-webhooks:${versions.keda}`]: {
        program: 'keda-admission-webhooks',
        path: '/keda-admission-webhooks',
      },
    },
  },
  {
    name: 'Argo Rollouts',
    namespace: 'argo-rollouts',
    module: 'github.com/argoproj/argo-rollouts',
    from: 'cluster/modules/rollouts',
    manifest: 'manifests/install.yaml',
    bare: true,
    twice: ['argo-rollouts'],
    over: { file: 'cluster/rollouts/gateway-plugin.yaml', values: { PLUGIN: pluginImage } },
    images: {
      [`quay.io/argoproj/argo-rollouts:v${versions.argoRollouts}`]: {
        program: 'rollouts-controller',
        path: '/bin/rollouts-controller',
      },
    },
  },
  {
    name: 'Prometheus',
    namespace: 'monitoring',
    module: 'github.com/prometheus-operator/prometheus-operator',
    from: 'cluster/modules/monitoring',
    manifest: 'bundle.yaml',
    renamed: 'default',
    over: {
      file: 'cluster/monitoring/prometheus.yaml',
      values: { IMAGE: prometheus.image, VERSION: prometheusVersion() },
    },
    images: {
      [prometheus.operator]: { program: 'prometheus-operator', path: '/bin/operator' },
      [prometheus.reloader]: {
        program: 'prometheus-config-reloader',
        path: '/bin/prometheus-config-reloader',
      },
      [prometheus.image]: { program: 'prometheus', path: '/bin/prometheus' },
    },
  },
]

/**
 * Manifests of unreleased sources name moving tags that are always pulled: pins them to the release. `images` are full
 * references; any tag of the same repository is replaced.
 */
export function pinImages(manifest: string, images: readonly string[]): string {
  let pinned = manifest.replaceAll('imagePullPolicy: Always', 'imagePullPolicy: IfNotPresent')
  for (const ref of images) {
    const repository = ref.slice(0, ref.lastIndexOf(':'))
    pinned = pinned.replaceAll(
      new RegExp(`${repository.replaceAll('.', '\\.')}:[\\w.-]+`, 'g'),
      ref,
    )
  }
  return pinned
}

/**
 * Builds and pushes our own images for the operators: the plugin of Argo Rollouts, and where no container registry is in
 * reach (`offline`) every other one.
 */
export async function ensureOperatorImages(
  offline: boolean,
  line: (text: string) => void,
): Promise<void> {
  await ensureTools(offline ? operatorTools : [rolloutsPlugin], line)
  const published = offline ? operators.flatMap(({ images }) => Object.entries(images)) : []
  const all: [string, Omit<ProgramImage, 'file'>][] = [
    ...published,
    [pluginImage, { program: rolloutsPlugin.name }],
  ]
  for (const [ref, { program, ...options }] of all) {
    await publishProgram(toolNamed(program, operatorTools), { ...options, user: 65_532 }, ref, line)
  }
}

/** What has to be equal for installed operators to be left alone. */
function operatorsHash(): string {
  const files = operators.flatMap(({ over }) => (over === undefined ? [] : [join(root, over.file)]))
  return hashFiles(
    [...files, join(root, 'cluster', 'operators.ts')],
    JSON.stringify([operators, twoPods]),
  )
}

/** Installs the operators and waits for their deployments; does nothing where the same versions are installed. */
export async function ensureOperators(
  cluster: string,
  line: (text: string) => void,
): Promise<void> {
  const done = join(stateDir, cluster, 'operators')
  const wanted = operatorsHash()
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return line('operators are there')
  for (const operator of operators) {
    line(operator.name)
    await install(cluster, operator)
  }
  for (const { name, namespace } of operators) {
    line(`waiting for ${name}`)
    // KEDA's operator writes the certificates that its other two parts mount: they start a little later.
    await poll(name, 240, () => available(cluster, namespace), 1000)
  }
  line('waiting for Prometheus itself')
  await poll('Prometheus', 180, () => prometheusAnswers(cluster), 1000)
  writeFileSync(done, wanted)
}

async function install(cluster: string, operator: Operator): Promise<void> {
  const { namespace, renamed } = operator
  const path = join(await goModuleDir(operator.module, operator.from), operator.manifest)
  const text = path.endsWith('.yaml')
    ? readFileSync(path, 'utf8')
    : (await $({ quiet: true })`${tool('kubectl')} kustomize ${path}`).stdout
  const placed =
    renamed === undefined
      ? text
      : text.replaceAll(`  namespace: ${renamed}\n`, `  namespace: ${namespace}\n`)
  const place = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  await apply(cluster, JSON.stringify(place))
  const where = operator.bare === true ? ['--namespace', namespace] : []
  await apply(cluster, pinImages(placed, Object.keys(operator.images)), where)
  // Fields that one manager no longer names are taken out again: each part has a manager of its own.
  for (const name of operator.twice ?? []) {
    await apply(cluster, JSON.stringify(twoReplicas(namespace, name)), [
      '--field-manager',
      'opencode-replicas',
    ])
  }
  const over = overlay(operator)
  // Objects of a kind that was defined a moment ago are refused until the API server serves it.
  const laid = async (): Promise<boolean> => (
    await apply(cluster, over, ['--field-manager', 'opencode']),
    true
  )
  if (over !== '') await poll(`objects of ${operator.name}`, 60, laid, 1000)
}

async function apply(
  cluster: string,
  manifest: string,
  options: readonly string[] = [],
): Promise<void> {
  // Their CRDs are larger than what a client-side apply can note in an annotation.
  await kubectl(
    cluster,
    ['apply', '--server-side', '--force-conflicts', ...options, '--filename', '-'],
    manifest,
  )
}

function overlay({ over }: Operator): string {
  if (over === undefined) return ''
  const text = readFileSync(join(root, over.file), 'utf8')
  return Object.entries(over.values).reduce(
    (all, [name, value]) => all.replaceAll(`__${name}__`, value),
    text,
  )
}

/** The parts of a Deployment that keep one of two pods going, and move it off a dead node in half a minute. */
function twoReplicas(namespace: string, name: string): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas: 2, template: { spec: twoPods } },
  }
}

async function available(cluster: string, namespace: string): Promise<boolean> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(cluster) })
  const args = [
    'wait',
    'deployments',
    '--all',
    '--for=condition=Available',
    '--namespace',
    namespace,
    '--timeout=5s',
  ]
  return (await run`${tool('kubectl')} ${args}`).exitCode === 0
}

async function prometheusAnswers(cluster: string): Promise<boolean> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(cluster) })
  const args = [
    'wait',
    'prometheus/prometheus',
    '--for=condition=Available',
    '--namespace',
    'monitoring',
    '--timeout=5s',
  ]
  return (await run`${tool('kubectl')} ${args}`).exitCode === 0
}
