import { CustomObjectsApi } from '@kubernetes/client-node'
import { poll } from '../../cluster/poll.ts'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { upgradeService } from '../../cluster/service.ts'
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
 * Brings a component to its minimum with the scenario's values. The autoscaler goes and comes again: it remembers its
 * recommendations for five minutes.
 */
export async function prepare({ component, values, minimum }: Scenario): Promise<void> {
  const namespace = namespaceOf(component)
  const name = `${release.name}-${component}`
  await client(CustomObjectsApi).deleteNamespacedCustomObject({ ...scaledObjects, namespace, name }).catch(() => undefined)
  const kind = component === 'api' ? 'rollouts.argoproj.io' : 'deployments.apps'
  await kubectl(options.name, ['patch', kind, name, '--namespace', namespace, '--type', 'merge', '--patch', JSON.stringify({ spec: { replicas: minimum } })])
  await upgradeService(options, values)
  const calm = (sample: Sample): boolean => sample.desired === minimum && sample.ready === minimum
  await poll(`${component} at ${minimum} pods`, 180, async () => calm(await look(component)), 1000)
}

/** Puts the load on and follows the component up to its maximum. */
export async function scaleUp(scenario: Scenario, seconds: number): Promise<Outcome & { readonly stop: () => Promise<void> }> {
  const { component, maximum } = scenario
  const before = await look(component)
  const loadAt = Date.now()
  const stop = await scenario.load()
  const samples = [before, ...(await watch(component, seconds, ({ desired, ready }) => desired >= maximum && ready >= maximum))]
  return { scenario: scenario.name, samples, rows: rows(samples, loadAt, maximum), stop }
}

/** Follows a component whose load has ended down to its minimum. */
export async function scaleDown(name: string, component: Component, minimum: number, seconds: number): Promise<Outcome> {
  const loadAt = Date.now()
  const samples = await watch(component, seconds, ({ desired, ready }) => desired <= minimum && ready <= minimum)
  return { scenario: name, samples, rows: rows(samples, loadAt, minimum) }
}
