import { CoreV1Api } from '@kubernetes/client-node'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { client, options, release } from '../load/target.ts'

/** Requests that one pod has answered, and the hash of the version that it runs. */
interface Served {
  readonly hash: string
  readonly count: number
}

/** Requests for one path that each pod of the API has answered. */
export async function served(path = '/session'): Promise<Map<string, Served>> {
  const labelSelector = `app.kubernetes.io/instance=${release.name},app.kubernetes.io/component=api`
  const { items } = await client(CoreV1Api).listNamespacedPod({ namespace: release.namespace, labelSelector })
  const pods = items.filter(({ status }) => status?.phase === 'Running')
  const entries = await Promise.all(pods.map(async ({ metadata }): Promise<[string, Served]> => {
    const name = metadata?.name ?? ''
    const text = await metricsOf(name).catch(() => '')
    return [name, { hash: metadata?.labels?.['rollouts-pod-template-hash'] ?? '', count: countRequests(text, path) }]
  }))
  return new Map(entries)
}

/** What one pod itself counts: nothing between it and the client is asked. */
function metricsOf(pod: string): Promise<string> {
  return kubectl(options.name, ['get', '--raw', `/api/v1/namespaces/${release.namespace}/pods/${pod}:9090/proxy/metrics`])
}

/** Sum of `http_requests_total` for one path, whatever method and status. */
export function countRequests(text: string, path: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith('http_requests_total{') && line.includes(`path="${path}"`))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** Share of the requests between two looks that pods of one version answered, 0 to 1. */
export function shareOf(hash: string, before: ReadonlyMap<string, Served>, after: ReadonlyMap<string, Served>): number {
  const grown = [...after].map(([pod, now]) => ({ hash: now.hash, count: Math.max(0, now.count - (before.get(pod)?.count ?? 0)) }))
  const sum = (list: readonly Served[]): number => list.reduce((total, { count }) => total + count, 0)
  const all = sum(grown)
  return all === 0 ? 0 : sum(grown.filter((one) => one.hash === hash)) / all
}
