import { query } from '../load/prometheus.ts'
import { release } from '../load/target.ts'

/** Requests that one pod has answered, and the hash of the version that it runs. */
interface Served {
  readonly hash: string
  readonly count: number
}

/** Requests for one path that each pod of the API has counted, as Prometheus read it last. */
export async function served(path = '/session'): Promise<Map<string, Served>> {
  const selector = `namespace="${release.namespace}",app_kubernetes_io_component="api",path="${path}"`
  const samples = await query(
    `sum by (pod, rollouts_pod_template_hash) (http_requests_total{${selector}})`,
  )
  return new Map(
    samples.map(({ metric, value }) => [
      metric['pod'] ?? '',
      { hash: metric['rollouts_pod_template_hash'] ?? '', count: value },
    ]),
  )
}

/** Share of the requests between two looks that pods of one version answered, 0 to 1. */
export function shareOf(
  hash: string,
  before: ReadonlyMap<string, Served>,
  after: ReadonlyMap<string, Served>,
): number {
  const grown = [...after].map(([pod, now]) => ({
    hash: now.hash,
    count: Math.max(0, now.count - (before.get(pod)?.count ?? 0)),
  }))
  const sum = (list: readonly Served[]): number =>
    list.reduce((total, { count }) => total + count, 0)
  const all = sum(grown)
  return all === 0 ? 0 : sum(grown.filter((one) => one.hash === hash)) / all
}
