import type { PassingEvent } from '../../protocol/events.ts'
import { subjectOf } from '../../protocol/clients.ts'
import type { Queryable } from '../../runtime/database/index.ts'
import { familyMembers, findParts } from '../store/sessions.ts'

/** The family of sessions that a turn may speak about. */
export interface Family {
  rootID: string
  /** The session that a fork has begun. */
  forkedID: string | undefined
}

/**
 * Of what a turn wants passed on, what clients may get: known types, about sessions of the family that are there,
 * and pieces of texts only for parts of these. A sandbox may say anything; the rest is dropped.
 */
export async function admitted(
  tx: Queryable,
  { rootID, forkedID }: Family,
  events: readonly PassingEvent[],
): Promise<Set<PassingEvent>> {
  const known = events.filter(({ type }) => subjectOf(type) !== undefined)
  if (known.length === 0) return new Set()
  const named = known.map(({ properties }) => properties['sessionID']).filter(isText)
  const family = await familyMembers(tx, rootID, forkedID, [...new Set(named)])
  const pieces = known.filter(({ type }) => type === 'message.part.delta')
  const ids = pieces.map(({ properties }) => properties['partID']).filter(isText)
  const parts = ids.length === 0 ? [] : await findParts(tx, [...family], ids)
  const writable = new Set(
    parts.map((part) => JSON.stringify([part.session_id, part.message_id, part.id])),
  )
  return new Set(
    known.filter(({ type, properties: { sessionID, messageID, partID } }) => {
      if (sessionID === undefined) return subjectOf(type) === 'directory'
      if (!isText(sessionID) || !family.has(sessionID)) return false
      return (
        type !== 'message.part.delta' ||
        writable.has(JSON.stringify([sessionID, messageID, partID]))
      )
    }),
  )
}

/** Leaves out that a session is idle where it has other work: a client that waits for its own prompt would leave. */
export async function withoutIdle(
  events: Set<PassingEvent>,
  hasOtherWork: (sessionID: string) => Promise<boolean>,
): Promise<Set<PassingEvent>> {
  const kept = new Set(events)
  for (const event of events) {
    const { type, properties } = event
    const status = properties['status'] as { type?: unknown } | null | undefined
    const isIdle = type === 'session.idle' || (type === 'session.status' && status?.type === 'idle')
    if (isIdle && (await hasOtherWork(String(properties['sessionID'])))) kept.delete(event)
  }
  return kept
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 128 && !value.includes('\0')
}
