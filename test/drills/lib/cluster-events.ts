import { $ } from 'zx'
import type { ClusterEvent } from './timeline.ts'

/** The fields of a Kubernetes Event that a timeline shows. */
interface KubernetesEvent {
  readonly reason: string
  readonly lastTimestamp: string | null
  readonly eventTime: string | null
  readonly firstTimestamp: string | null
  readonly involvedObject: { readonly kind: string; readonly name: string; readonly namespace?: string }
}

/** Reasons worth a line: what died, what took its place, what the operators decided. */
const telling = /^(Kill|NodeNotReady|NodeReady|Started|Unhealthy|FailedScheduling|TaintManagerEviction|FailingOver|FailoverTarget|Switch|Promot|Scaled|ScalingReplicaSet|Rollout|SuccessfulRescale)/

/** Events of the release's namespaces since a moment, oldest first. */
export async function clusterEvents(kubectl: readonly string[], since: number, namespaces: readonly string[]): Promise<ClusterEvent[]> {
  const [command = 'kubectl', ...rest] = kubectl
  const result = await $({ nothrow: true, quiet: true })`${command} ${rest} get events --all-namespaces --output json`
  if (result.exitCode !== 0) return []
  const items = (JSON.parse(result.stdout) as { items: KubernetesEvent[] }).items
  return items
    .filter((event) => telling.test(event.reason))
    .filter((event) => event.involvedObject.kind === 'Node' || namespaces.includes(event.involvedObject.namespace ?? ''))
    .map((event) => ({
      at: Date.parse(event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? ''),
      text: `${event.reason} ${event.involvedObject.kind.toLowerCase()}/${event.involvedObject.name}`,
      own: false,
    }))
    .filter((event) => event.at >= since)
    .sort((a, b) => a.at - b.at)
}
