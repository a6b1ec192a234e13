import { setTimeout as delay } from 'node:timers/promises'
import { AutoscalingV2Api, CoreV1Api } from '@kubernetes/client-node'
import { client, release } from '../load/target.ts'

/** A component that scales. */
export type Component = 'api' | 'worker' | 'websocket'

/** What an autoscaler asked for and what was ready, at one moment. */
export interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly desired: number
  readonly ready: number
}

export function namespaceOf(component: Component): string {
  return component === 'worker' ? `${release.namespace}-workers` : release.namespace
}

/** One look at a component's autoscaler and pods. */
export async function look(component: Component): Promise<Sample> {
  const namespace = namespaceOf(component)
  const name = `keda-hpa-${release.name}-${component}`
  const { status } = await client(AutoscalingV2Api).readNamespacedHorizontalPodAutoscaler({
    namespace,
    name,
  })
  const labelSelector = `app.kubernetes.io/instance=${release.name},app.kubernetes.io/component=${component}`
  const { items } = await client(CoreV1Api).listNamespacedPod({ namespace, labelSelector })
  const ready = items.filter(
    ({ metadata, status: state }) =>
      metadata?.deletionTimestamp === undefined &&
      (state?.conditions ?? []).some(
        ({ type, status: value }) => type === 'Ready' && value === 'True',
      ),
  )
  return { at: Date.now(), desired: status?.desiredReplicas ?? 0, ready: ready.length }
}

/** Samples once a second until `done` or the deadline. A look that fails is left out: the next one is a second away. */
export async function watch(
  component: Component,
  seconds: number,
  done: (sample: Sample) => boolean,
): Promise<Sample[]> {
  const deadline = Date.now() + seconds * 1000
  const samples: Sample[] = []
  while (Date.now() < deadline) {
    const sample = await look(component).catch(() => undefined)
    if (sample !== undefined) {
      samples.push(sample)
      if (done(sample)) break
    }
    await delay(1000)
  }
  return samples
}
