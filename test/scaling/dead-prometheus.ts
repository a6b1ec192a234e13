import { kubectl } from '../../cluster/kind-cluster.ts'
import { poll } from '../../cluster/poll.ts'
import { query } from '../load/prometheus.ts'
import { options } from '../load/target.ts'
import { watch, type Component, type Sample } from './watch.ts'

async function replicas(count: number): Promise<void> {
  const patch = JSON.stringify({ spec: { replicas: count } })
  await kubectl(options.name, [
    'patch',
    'prometheus',
    'prometheus',
    '--namespace',
    'monitoring',
    '--type',
    'merge',
    '--patch',
    patch,
  ])
}

/** Takes Prometheus away for so long, watches what autoscalers do without it, and brings it back. */
export async function withoutPrometheus(component: Component, seconds: number): Promise<Sample[]> {
  await replicas(0)
  try {
    await poll(
      'Prometheus to be gone',
      60,
      async () =>
        query('up').then(
          () => false,
          () => true,
        ),
      1000,
    )
    return await watch(component, seconds, () => false)
  } finally {
    await replicas(1)
    await poll('Prometheus', 180, async () => (await query('count(up == 1)'))[0]?.value, 1000)
  }
}
