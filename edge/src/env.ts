import type { EdgeVariable } from './config.ts'
import type { HealthObject } from './health-object.ts'

/** What the Worker is given: one variable, one Durable Object, three secrets. */
export interface Env {
  /** Regions, hosts and settings; generated from the region table. */
  readonly EDGE: EdgeVariable
  readonly HEALTH: DurableObjectNamespace<HealthObject>
  /** Key of the proof that a request came through the edge; the regions' API has the same one. Absent: no proof is sent. */
  readonly EDGE_SECRET?: string
  /** Key of the affinity cookie. Absent: no cookie is set or believed. */
  readonly AFFINITY_SECRET?: string
  /** Bearer token of the operator endpoints. Absent: they answer 404. */
  readonly OPERATOR_TOKEN?: string
}
