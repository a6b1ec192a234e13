import { kubectl } from '../../cluster/kind-cluster.ts'
import { options } from './target.ts'

/** One series of an answer: its labels and its newest value. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

const service = '/api/v1/namespaces/monitoring/services/http:prometheus-operated:9090/proxy'

async function get<T>(path: string): Promise<T> {
  const { data } = JSON.parse(
    await kubectl(options.name, ['get', '--raw', `${service}${path}`]),
  ) as { data: T }
  return data
}

/** Answers of the cluster's Prometheus to an instant query. */
export async function query(expression: string): Promise<Sample[]> {
  interface Result {
    readonly metric: Record<string, string>
    readonly value: [number, string]
  }
  const { result } = await get<{ result: Result[] }>(
    `/api/v1/query?query=${encodeURIComponent(expression)}`,
  )
  return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
}

/** An alert that is pending or firing. */
export interface Alert {
  readonly name: string
  readonly state: string
}

export async function alerts(): Promise<Alert[]> {
  const answer = await get<{ alerts: { labels: { alertname: string }; state: string }[] }>(
    '/api/v1/alerts',
  )
  return answer.alerts.map(({ labels, state }) => ({ name: labels.alertname, state }))
}

/** Alerting and recording rules with what became of their last evaluation. */
export async function rules(): Promise<{ name: string; health: string; error: string }[]> {
  const { groups } = await get<{
    groups: { rules: { name: string; health: string; lastError?: string }[] }[]
  }>('/api/v1/rules')
  return groups.flatMap((group) =>
    group.rules.map(({ name, health, lastError = '' }) => ({ name, health, error: lastError })),
  )
}

/** Targets by their health. */
export async function targets(): Promise<{ pool: string; health: string; error: string }[]> {
  const { activeTargets } = await get<{
    activeTargets: { scrapePool: string; health: string; lastError: string }[]
  }>('/api/v1/targets?state=active')
  return activeTargets.map(({ scrapePool, health, lastError }) => ({
    pool: scrapePool,
    health,
    error: lastError,
  }))
}
