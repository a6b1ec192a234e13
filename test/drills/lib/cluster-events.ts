import { linesOf, type Shell } from './steps.ts'
import type { ClusterEvent } from './timeline.ts'

/** The fields of a Kubernetes Event that a timeline shows. */
interface KubernetesEvent {
  readonly reason: string
  readonly lastTimestamp: string | null
  readonly eventTime: string | null
  readonly firstTimestamp: string | null
  readonly involvedObject: {
    readonly kind: string
    readonly name: string
    readonly namespace?: string
  }
}

/** Reasons worth a line: what died, what took its place, what the operators decided. */
const telling =
  /^(Kill|NodeNotReady|NodeReady|Started|Unhealthy|FailedScheduling|TaintManagerEviction|FailingOver|FailoverTarget|Switch|Promot|Scaled|ScalingReplicaSet|Rollout|SuccessfulRescale)/

/** Events of the release's namespaces since a moment, oldest first; none where the cluster cannot be asked. */
export async function clusterEvents(
  shell: Shell,
  since: number,
  namespaces: readonly string[],
): Promise<ClusterEvent[]> {
  const listed = await linesOf(shell, [
    'kubectl',
    'get',
    'events',
    '--all-namespaces',
    '--output',
    'json',
  ]).catch(() => ['{"items":[]}'])
  const { items } = JSON.parse(listed.join('\n')) as { items: KubernetesEvent[] }
  return items
    .filter((event) => telling.test(event.reason))
    .filter(
      (event) =>
        event.involvedObject.kind === 'Node' ||
        namespaces.includes(event.involvedObject.namespace ?? ''),
    )
    .map((event) => ({
      at: Date.parse(event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp ?? ''),
      text: `${event.reason} ${event.involvedObject.kind.toLowerCase()}/${event.involvedObject.name}`,
      own: false,
    }))
    .filter((event) => event.at >= since)
    .sort((a, b) => a.at - b.at)
}
