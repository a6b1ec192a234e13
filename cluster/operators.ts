import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { localRef } from './addon-images.ts'
import { buildProgramImage, hashFiles, imageExists, type ProgramImage } from './docker-image.ts'
import { goModuleDir } from './go-module.ts'
import { clusterEnv, kubectl } from './kind-cluster.ts'
import { stateDir, tool } from './paths.ts'
import { poll } from './poll.ts'
import { operatorTools, toolStamp } from './tools.ts'
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
  /** References in the manifest and the built program that stands behind each where no registry is in reach. */
  readonly images: Readonly<Record<string, Omit<ProgramImage, 'file'>>>
}

const operatorsModule = 'cluster/modules/operators'

/** Controllers that the production profile of the chart relies on. */
export const operators: readonly Operator[] = [
  {
    name: 'CloudNativePG',
    namespace: 'cnpg-system',
    module: 'github.com/cloudnative-pg/cloudnative-pg',
    from: operatorsModule,
    manifest: `releases/cnpg-${versions.cloudNativePg}.yaml`,
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
    images: {
      [`ghcr.io/kedacore/keda:${versions.keda}`]: { program: 'keda', path: '/keda' },
      [`ghcr.io/kedacore/keda-metrics-apiserver:${versions.keda}`]: { program: 'keda-adapter', path: '/keda-adapter' },
      [`ghcr.io/kedacore/keda-admission-webhooks:${versions.keda}`]: { program: 'keda-admission-webhooks', path: '/keda-admission-webhooks' },
    },
  },
  {
    name: 'Argo Rollouts',
    namespace: 'argo-rollouts',
    module: 'github.com/argoproj/argo-rollouts',
    from: 'cluster/modules/rollouts',
    manifest: 'manifests/install.yaml',
    bare: true,
    images: {
      [`quay.io/argoproj/argo-rollouts:v${versions.argoRollouts}`]: { program: 'rollouts-controller', path: '/bin/rollouts-controller' },
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
    pinned = pinned.replaceAll(new RegExp(`${repository.replaceAll('.', '\\.')}:[\\w.-]+`, 'g'), ref)
  }
  return pinned
}

/** Builds and pushes the operators' images where no container registry is in reach. */
export async function ensureOperatorImages(line: (text: string) => void): Promise<void> {
  for (const { images } of operators) {
    for (const [ref, image] of Object.entries(images)) {
      const program = { ...image, user: 65_532, file: tool(image.program) }
      const one = operatorTools.find(({ name }) => name === image.program)
      if (one === undefined) throw new Error(`no tool builds ${image.program}`)
      const built = `opencode-test/${image.program}:${hashFiles([], toolStamp(one) + JSON.stringify({ ...image, user: program.user }))}`
      if (!(await imageExists(built))) {
        line(`image ${ref}`)
        await buildProgramImage(built, program)
      }
      await $({ quiet: true })`docker tag ${built} ${localRef(ref)}`
      await $({ quiet: true })`docker push --quiet ${localRef(ref)}`
    }
  }
}

/** Installs the operators and waits for their deployments; does nothing where the same versions are installed. */
export async function ensureOperators(cluster: string, line: (text: string) => void): Promise<void> {
  const done = join(stateDir, cluster, 'operators')
  const wanted = JSON.stringify(operators)
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
  writeFileSync(done, wanted)
}

async function install(cluster: string, operator: Operator): Promise<void> {
  const path = join(await goModuleDir(operator.module, operator.from), operator.manifest)
  const text = path.endsWith('.yaml') ? readFileSync(path, 'utf8') : (await $({ quiet: true })`${tool('kubectl')} kustomize ${path}`).stdout
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: operator.namespace } }
  await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '--filename', '-'], JSON.stringify(namespace))
  // Their CRDs are larger than what a client-side apply can note in an annotation.
  const where = operator.bare === true ? ['--namespace', operator.namespace] : []
  const apply = ['apply', '--server-side', '--force-conflicts', ...where, '--filename', '-']
  await kubectl(cluster, apply, pinImages(text, Object.keys(operator.images)))
}

async function available(cluster: string, namespace: string): Promise<boolean> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(cluster) })
  const args = ['wait', 'deployments', '--all', '--for=condition=Available', '--namespace', namespace, '--timeout=5s']
  return (await run`${tool('kubectl')} ${args}`).exitCode === 0
}
