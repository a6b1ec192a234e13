import type { DurableEvent } from '../../protocol/events.ts'
import type { Queryable } from '../../runtime/database/index.ts'
import { deleteSession, saveSession, type SessionInfo, type SessionRow } from './sessions.ts'

/** Brings sessions, messages and parts up to what the events say; the last event about a thing wins. */
export async function project(
  tx: Queryable,
  owner: { tenant: string; user: string },
  events: readonly DurableEvent[],
  sessions: readonly SessionRow[],
): Promise<void> {
  const changes = new Changes()
  for (const event of events) changes.take(event)
  for (const session of sessions) {
    await saveSession(tx, owner, session, changes.sessions.get(session.id))
    if (changes.deleted.has(session.id)) await deleteSession(tx, session.id)
  }
  await saveMessages(tx, [...changes.messages.values()])
  await saveParts(tx, [...changes.parts.values()])
  for (const [session, ids] of group(changes.removedMessages)) {
    await tx.query('DELETE FROM messages WHERE session_id = $1 AND id = ANY($2)', [session, ids])
    await tx.query('DELETE FROM parts WHERE session_id = $1 AND message_id = ANY($2)', [
      session,
      ids,
    ])
  }
  for (const [session, ids] of group(changes.removedParts)) {
    await tx.query('DELETE FROM parts WHERE session_id = $1 AND id = ANY($2)', [session, ids])
  }
}

interface Saved {
  session: string
  id: string
  message: string
  json: string
}

/** The net effect of a run of events. */
class Changes {
  readonly sessions = new Map<string, SessionInfo>()
  readonly deleted = new Set<string>()
  readonly messages = new Map<string, Saved>()
  readonly parts = new Map<string, Saved>()
  readonly removedMessages = new Map<string, { session: string; id: string }>()
  readonly removedParts = new Map<string, { session: string; id: string }>()

  take({ type, aggregateID: session, data }: DurableEvent): void {
    const info = data['info'] as (SessionInfo & { id: string }) | undefined
    const kind = type.replace(/\.\d+$/, '')
    if ((kind === 'session.created' || kind === 'session.updated') && info)
      this.sessions.set(session, { ...this.sessions.get(session), ...info })
    if (kind === 'session.deleted') this.deleted.add(session)
    if (kind === 'message.updated' && info) {
      this.removedMessages.delete(`${session} ${info.id}`)
      this.messages.set(`${session} ${info.id}`, {
        session,
        id: info.id,
        message: info.id,
        json: JSON.stringify(info),
      })
    }
    if (kind === 'message.removed') this.#removeMessage(session, String(data['messageID']))
    if (kind === 'message.part.updated') {
      const part = data['part'] as { id: string; messageID: string }
      this.removedParts.delete(`${session} ${part.id}`)
      this.parts.set(`${session} ${part.id}`, {
        session,
        id: part.id,
        message: part.messageID,
        json: JSON.stringify(part),
      })
    }
    if (kind === 'message.part.removed') {
      const id = String(data['partID'])
      this.parts.delete(`${session} ${id}`)
      this.removedParts.set(`${session} ${id}`, { session, id })
    }
  }

  #removeMessage(session: string, id: string): void {
    this.messages.delete(`${session} ${id}`)
    for (const [key, part] of this.parts)
      if (part.session === session && part.message === id) this.parts.delete(key)
    this.removedMessages.set(`${session} ${id}`, { session, id })
  }
}

async function saveMessages(tx: Queryable, saved: readonly Saved[]): Promise<void> {
  if (saved.length === 0) return
  await tx.query(
    `INSERT INTO messages (session_id, id, info) SELECT * FROM unnest($1::text[], $2::text[], $3::json[])
     ON CONFLICT (session_id, id) DO UPDATE SET info = excluded.info`,
    [saved.map((s) => s.session), saved.map((s) => s.id), saved.map((s) => s.json)],
  )
}

async function saveParts(tx: Queryable, saved: readonly Saved[]): Promise<void> {
  if (saved.length === 0) return
  await tx.query(
    `INSERT INTO parts (session_id, id, message_id, data) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::json[])
     ON CONFLICT (session_id, id) DO UPDATE SET message_id = excluded.message_id, data = excluded.data`,
    [
      saved.map((s) => s.session),
      saved.map((s) => s.id),
      saved.map((s) => s.message),
      saved.map((s) => s.json),
    ],
  )
}

function group(entries: Map<string, { session: string; id: string }>): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { session, id } of entries.values())
    groups.set(session, [...(groups.get(session) ?? []), id])
  return groups
}
