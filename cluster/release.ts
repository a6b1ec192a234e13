import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { stringify } from 'yaml'
import { UserError } from '../scripts/lib/user-error.ts'
import { clusterEnv, kubectl } from './kind-cluster.ts'
import { root, stateDir, tool } from './paths.ts'
import { poll } from './poll.ts'
import { providerSecret, type Provider } from './provider.ts'

/** One Helm release on a cluster made here. */
export interface Release {
  readonly cluster: string
  /** Release name, `opencode` in all documentation. */
  readonly name: string
  readonly namespace: string
  /** Helm of major version 3 or 4; both install the same chart. */
  readonly helm: 'helm3' | 'helm4'
}

/** What the release is installed with. */
export interface ReleaseInput {
  /** Folder of the chart. Default: the repository's. */
  readonly chart?: string
  /** Values files, later ones win. */
  readonly valuesFiles: readonly string[]
  /** Values written for this run, over the files. */
  readonly values?: Readonly<Record<string, unknown>>
}

/** Runs Helm on the release's cluster; a refusal by Helm or the API server is the user's to read, without a stack. */
export async function helm(release: Release, args: readonly string[]): Promise<string> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(release.cluster) })
  const result = await run`${tool(release.helm)} ${args} --namespace ${release.namespace}`
  if (result.exitCode !== 0)
    throw new UserError(
      `helm ${args.slice(0, 2).join(' ')} failed:\n${[result.stdout.trim(), result.stderr.trim()].join('\n')}`,
    )
  return result.stdout
}

/** Writes values into the cluster's folder and returns the file. */
export function writeValues(
  release: Release,
  name: string,
  values: Readonly<Record<string, unknown>>,
): string {
  const file = join(stateDir, release.cluster, `values-${release.name}-${name}.yaml`)
  mkdirSync(join(stateDir, release.cluster), { recursive: true })
  writeFileSync(file, stringify(values))
  return file
}

/** `helm upgrade --install`: the same call whether the release is there or not. */
export async function installRelease(release: Release, input: ReleaseInput): Promise<void> {
  const files = [...input.valuesFiles]
  if (input.values !== undefined) files.push(writeValues(release, 'run', input.values))
  const chart = input.chart ?? join(root, 'chart')
  // The Rollouts controller owns the selector of the API's Service: Helm 4 would stop at the conflict where the server applies.
  const apply = release.helm === 'helm4' ? ['--server-side=false'] : []
  const values = files.flatMap((file) => ['--values', file])
  await helm(release, [
    'upgrade',
    '--install',
    release.name,
    chart,
    '--create-namespace',
    ...apply,
    ...values,
  ])
}

/** Namespace of the tool workers, the chart's default. */
export const workersNamespace = 'opencode-workers'

/** Namespace of the sandboxes, the chart's default. */
export const sandboxesNamespace = 'opencode-sandboxes'

/**
 * Removes a release with its data and credentials, as the README says, so that the next installation is a first one.
 * @param apart - Namespaces of its workers and sandboxes. @default opencode-workers and opencode-sandboxes
 */
export async function removeRelease(
  release: Release,
  apart: readonly string[] = [workersNamespace, sandboxesNamespace],
): Promise<void> {
  await helm(release, ['uninstall', release.name, '--ignore-not-found'])
  const namespaces = [release.namespace, ...apart]
  // A PostgreSQL instance has half an hour to stop, and its namespace looks at itself again only after half of that.
  for (const namespace of namespaces)
    await kubectl(release.cluster, [
      'delete',
      'pod',
      '--all',
      '--namespace',
      namespace,
      '--grace-period=0',
      '--force',
    ])
  await kubectl(release.cluster, [
    'delete',
    'namespace',
    ...namespaces,
    '--ignore-not-found',
    '--timeout=240s',
  ])
}

/** Writes the user's provider keys into the release's namespace, where there are any. */
export async function writeProviderKeys(release: Release, provider: Provider): Promise<void> {
  if (Object.keys(provider.keys).length === 0) return
  const metadata = { name: providerSecret, namespace: release.namespace }
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: release.namespace } }
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata, stringData: provider.keys }
  const list = { apiVersion: 'v1', kind: 'List', items: [namespace, secret] }
  await kubectl(
    release.cluster,
    ['apply', '--server-side', '--filename', '-'],
    JSON.stringify(list),
  )
}

interface ContainerStatus {
  readonly name: string
  readonly ready: boolean
  readonly restartCount: number
  readonly state?: {
    waiting?: { reason?: string; message?: string }
    terminated?: { reason?: string; exitCode: number }
  }
}

/** The parts of a Pod that say how it is. */
export interface PodView {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly status: {
    readonly phase: string
    readonly conditions?: readonly {
      type: string
      status: string
      reason?: string
      message?: string
    }[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

/** Reasons of a waiting container that time alone does not cure. */
const stuck = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'CreateContainerConfigError',
  'CreateContainerError',
])

/** Why a pod is not ready, in the words of Kubernetes; undefined when it is ready or has done its work. */
export function podTrouble(pod: PodView): { text: string; stuck: boolean } | undefined {
  const { phase, conditions = [], initContainerStatuses = [], containerStatuses = [] } = pod.status
  if (
    phase === 'Succeeded' ||
    conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
  )
    return undefined
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`
  for (const container of [...initContainerStatuses, ...containerStatuses]) {
    const waiting = container.state?.waiting
    if (
      waiting?.reason !== undefined &&
      waiting.reason !== 'PodInitializing' &&
      waiting.reason !== 'ContainerCreating'
    ) {
      const message = waiting.message === undefined ? '' : `: ${waiting.message}`
      return {
        text: `${name}, container ${container.name}: ${waiting.reason}${message}`,
        stuck: stuck.has(waiting.reason),
      }
    }
  }
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False')
    return {
      text: `${name} cannot be scheduled: ${scheduled.message ?? scheduled.reason ?? ''}`,
      stuck: false,
    }
  return {
    text: `${name} is ${phase === 'Running' ? 'not ready' : phase.toLowerCase()}`,
    stuck: false,
  }
}

/** All pods of a release, in whatever namespace. Failed attempts of Jobs that another attempt follows are left out. */
export async function releasePods(release: Release): Promise<PodView[]> {
  const selector = `app.kubernetes.io/instance=${release.name}`
  const output = await kubectl(release.cluster, [
    'get',
    'pods',
    '--all-namespaces',
    '--selector',
    selector,
    '--output',
    'json',
  ])
  return (JSON.parse(output) as { items: PodView[] }).items.filter(
    (pod) => pod.status.phase !== 'Failed',
  )
}

/**
 * Waits until every pod of the release is ready.
 * @throws UserError at the deadline, or as soon as a pod has been stuck for 45 s, with every pod's reason.
 */
export async function waitForRelease(
  release: Release,
  seconds: number,
  line: (text: string) => void,
): Promise<void> {
  let last = ''
  let stuckSince: number | undefined
  const troubles = async (): Promise<NonNullable<ReturnType<typeof podTrouble>>[]> =>
    (await releasePods(release)).flatMap((pod) => podTrouble(pod) ?? [])
  const ready = async (): Promise<boolean> => {
    const pods = await releasePods(release)
    const now = pods.flatMap((pod) => podTrouble(pod) ?? [])
    const text = `${pods.length - now.length} of ${pods.length} pods are ready`
    if (text !== last) line(text)
    last = text
    stuckSince = now.some((trouble) => trouble.stuck) ? (stuckSince ?? Date.now()) : undefined
    if (stuckSince !== undefined && Date.now() - stuckSince > 45_000) throw new Stuck()
    return pods.length > 0 && now.length === 0 && (await workloadsReady(release))
  }
  try {
    await pollUnlessStuck(ready, seconds)
  } catch {
    const list = (await troubles()).map((trouble) => `  - ${trouble.text}`).join('\n')
    throw new UserError(
      `the release "${release.name}" did not become ready:\n${list}\nLook further with: kubectl describe pod, kubectl logs.`,
    )
  }
}

/** A pod waits for something that does not come by itself. */
class Stuck extends Error {}

async function pollUnlessStuck(ready: () => Promise<boolean>, seconds: number): Promise<void> {
  let end: Stuck | undefined
  await poll(
    'the release',
    seconds,
    async () => {
      try {
        return await ready()
      } catch (error) {
        if (!(error instanceof Stuck)) throw error
        end = error
        return true
      }
    },
    1000,
  )
  if (end !== undefined) throw end
}

/** Whether the controllers have made all the pods of the newest revision: pods alone may be the old ones. */
async function workloadsReady(release: Release): Promise<boolean> {
  const selector = `app.kubernetes.io/instance=${release.name}`
  const kinds = 'deployments.apps,statefulsets.apps,jobs.batch'
  const output = await kubectl(release.cluster, [
    'get',
    kinds,
    '--all-namespaces',
    '--selector',
    selector,
    '--output',
    'json',
  ])
  interface Workload {
    kind: string
    metadata: { generation: number }
    spec: { replicas?: number }
    status: {
      observedGeneration?: number
      readyReplicas?: number
      updatedReplicas?: number
      replicas?: number
      succeeded?: number
    }
  }
  return (JSON.parse(output) as { items: Workload[] }).items.every(
    ({ kind, metadata, spec, status }) => {
      if (kind === 'Job') return (status.succeeded ?? 0) > 0
      const wanted = spec.replicas ?? 1
      const current =
        (status.observedGeneration ?? 0) >= metadata.generation && (status.replicas ?? 0) === wanted
      return (
        current &&
        (status.readyReplicas ?? 0) === wanted &&
        (status.updatedReplicas ?? 0) === wanted
      )
    },
  )
}
