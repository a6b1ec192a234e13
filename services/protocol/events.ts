import { z } from 'zod'

/** Text that names something: a session, an event. */
const name = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\w.-]+$/)
const fields = z.record(z.string(), z.unknown())

/** A row of the engine's durable log. */
export const durableEvent = z.object({
  id: name,
  /** The session. */
  aggregateID: name,
  /** Position within the session, from 0, without gaps. */
  seq: z.number().int().nonnegative(),
  /** With the version of its form at the end, e.g. `message.updated.1`. */
  type: name,
  data: fields,
})

/** An event that is only passed on to clients, such as a piece of text that is being written. */
export const passingEvent = z.object({
  id: z.string().max(128),
  type: z.string().max(128),
  properties: fields,
})

/** What the engine says during a turn. One list holds both kinds, so that nothing can change their order. */
export const turnEvent = z.discriminatedUnion('kind', [
  durableEvent.extend({ kind: z.literal('durable') }),
  passingEvent.extend({ kind: z.literal('passing') }),
])

/** A checked {@link durableEvent}. */
export type DurableEvent = z.infer<typeof durableEvent>
/** A checked {@link passingEvent}. */
export type PassingEvent = z.infer<typeof passingEvent>
/** A checked {@link turnEvent}. */
export type TurnEvent = z.infer<typeof turnEvent>

/** Marks events of the log as part of a turn's list. */
export function asTurnEvents(events: readonly DurableEvent[]): TurnEvent[] {
  return events.map((event) => ({ ...event, kind: 'durable' }))
}
