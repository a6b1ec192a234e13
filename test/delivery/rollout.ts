import { CustomObjectsApi } from '@kubernetes/client-node'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { poll } from '../../cluster/poll.ts'
import { client, options, release } from '../load/target.ts'

/** The parts of a Rollout that say how far it is. */
export interface RolloutView {
  readonly metadata: { readonly generation: number }
  readonly spec: { readonly replicas?: number; readonly paused?: boolean }
  readonly status: {
    readonly phase?: string
    readonly message?: string
    readonly abort?: boolean
    readonly observedGeneration?: string
    readonly currentPodHash?: string
    readonly stableRS?: string
    readonly currentStepIndex?: number
    readonly canary?: { readonly weights?: { readonly canary: { readonly weight: number } } }
    readonly pauseConditions?: readonly { readonly reason: string }[]
  }
}

const name = `${release.name}-api`

/** The API's Rollout as it is now. */
export async function readRollout(): Promise<RolloutView> {
  const where = {
    group: 'argoproj.io',
    version: 'v1alpha1',
    plural: 'rollouts',
    namespace: release.namespace,
    name,
  }
  return (await client(CustomObjectsApi).getNamespacedCustomObject(where)) as RolloutView
}

/** Whether one version alone is there and well. */
export function isSettled({ status }: RolloutView): boolean {
  return (
    status.phase === 'Healthy' &&
    status.currentPodHash !== undefined &&
    status.currentPodHash === status.stableRS
  )
}

/** Waits until a Rollout looks like something. */
export async function waitForRollout(
  what: string,
  seconds: number,
  ready: (rollout: RolloutView) => boolean,
): Promise<RolloutView> {
  return poll(
    what,
    seconds,
    async () => {
      const rollout = await readRollout()
      return ready(rollout) ? rollout : undefined
    },
    1000,
  )
}

/** Waits until the version whose pods have another hash than `before` is the only one. */
export async function waitForVersion(
  before: string | undefined,
  seconds: number,
): Promise<RolloutView> {
  return waitForRollout(
    'the new version',
    seconds,
    (rollout) => isSettled(rollout) && rollout.status.stableRS !== before,
  )
}

/** Waits until a Deployment of the release has only pods of its newest template. */
export async function waitForDeployment(
  component: 'api' | 'websocket' | 'worker',
  seconds: number,
): Promise<void> {
  const namespace = component === 'worker' ? `${release.namespace}-workers` : release.namespace
  const deployment = `deployment/${release.name}-${component}`
  await kubectl(options.name, [
    'rollout',
    'status',
    deployment,
    '--namespace',
    namespace,
    '--timeout',
    `${seconds}s`,
  ])
}

/** Waits until a Deployment of the release's first namespace has so many ready pods. */
export async function waitForReady(component: 'api', pods: number, seconds: number): Promise<void> {
  const args = [
    'wait',
    `deployment/${release.name}-${component}`,
    '--namespace',
    release.namespace,
    `--for=jsonpath={.status.readyReplicas}=${pods}`,
  ]
  await kubectl(options.name, [...args, '--timeout', `${seconds}s`])
}
