import type { DurableEvent } from '../../protocol/events.ts'

/** An event that was appended, with its place in the tenant's order. */
export interface AppendedEvent extends DurableEvent {
  tenantSeq: number
  directory: string
}
