import { CustomObjectsApi } from '@kubernetes/client-node'
import { poll } from '../../cluster/poll.ts'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { upgradeService } from '../../cluster/service.ts'
import type { Overlay } from '../../schemas/index.ts'
import { client, options, release } from '../load/target.ts'
import type { Scenario } from './scenarios.ts'
import { rows, type Row } from './table.ts'
import { look, namespaceOf, watch, type Component, type Sample } from './watch.ts'

/** What one scenario showed. */
export interface Outcome {
  readonly scenario: string
  readonly samples: readonly Sample[]
  readonly rows: readonly Row[]
}

const scaledObjects = { group: 'keda.sh', version: 'v1alpha1', plural: 'scaledobjects' }

/**
 * Brings the scenarios' components to their minimum, with the values of all of them. The autoscalers go and come again: they
 * remember their recommendations for five minutes.
 */
export async function prepare(scenarios: readonly Scenario[]): Promise<void> {
  for (const { component, minimum } of scenarios) {
    const namespace = namespaceOf(component)
    const name = `${release.name}-${component}`
    await client(CustomObjectsApi)
      .deleteNamespacedCustomObject({ ...scaledObjects, namespace, name })
      .catch(() => undefined)
    const kind = component === 'api' ? 'rollouts.argoproj.io' : 'deployments.apps'
    const patch = JSON.stringify({ spec: { replicas: minimum } })
    await kubectl(options.name, [
      'patch',
      kind,
      name,
      '--namespace',
      namespace,
      '--type',
      'merge',
      '--patch',
      patch,
    ])
  }
  await upgradeService(
    options,
    Object.assign({}, ...scenarios.map(({ values }) => values)) as Overlay,
  )
  for (const { component, minimum } of scenarios) {
    const calm = async (): Promise<boolean> => {
      const { desired, ready } = await look(component)
      return desired === minimum && ready === minimum
    }
    await poll(`${component} at ${minimum} pods`, 180, calm, 1000)
  }
}

/** Puts the load on and follows the component up to so many pods, its maximum where none are named. */
export async function scaleUp(
  scenario: Scenario,
  seconds: number,
  maximum: number = scenario.maximum,
): Promise<Outcome & { readonly stop: () => Promise<void> }> {
  const { component } = scenario
  const before = await look(component)
  const loadAt = Date.now()
  const stop = await scenario.load()
  const samples = [
    before,
    ...(await watch(
      component,
      seconds,
      ({ desired, ready }) => desired >= maximum && ready >= maximum,
    )),
  ]
  return { scenario: scenario.name, samples, rows: rows(samples, loadAt, maximum), stop }
}

/** Follows a component whose load ended at `endedAt` (milliseconds since the epoch) down to its minimum. */
export async function scaleDown(
  name: string,
  component: Component,
  minimum: number,
  endedAt: number,
  seconds: number,
): Promise<Outcome> {
  const samples = await watch(
    component,
    seconds,
    ({ desired, ready }) => desired <= minimum && ready <= minimum,
  )
  return { scenario: name, samples, rows: rows(samples, endedAt, minimum) }
}
