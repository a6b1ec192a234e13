import type { DurableEvent } from '../../protocol/events.ts'
import type { Queryable } from '../../runtime/database/index.ts'

interface MessageInfo {
  id: string
  role?: string
  time?: Record<string, unknown>
}

/**
 * Gives users' messages the time of creation with which they were first shown: as a prompt that waits, or by an earlier
 * event. The engine has its own when it takes a prompt, and OpenCode's TUI, which looks for a message by time and id,
 * would show the message twice.
 */
export async function keepTimes(
  tx: Queryable,
  events: readonly DurableEvent[],
): Promise<readonly DurableEvent[]> {
  const messages = events.flatMap((event) => {
    const info = userMessage(event)
    return info === undefined ? [] : [{ session: event.aggregateID, id: info.id }]
  })
  if (messages.length === 0) return events
  const { rows } = await tx.query<{ session_id: string; id: string; created: number }>(
    `WITH named AS (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS named (session_id, id))
     SELECT named.session_id, named.id, coalesce(m.info, t.prompt) #> '{time,created}' AS created
     FROM named LEFT JOIN messages m USING (session_id, id)
       LEFT JOIN turns t ON t.session_id = named.session_id AND t.prompt_id = named.id
     WHERE m.info IS NOT NULL OR t.prompt IS NOT NULL`,
    [messages.map(({ session }) => session), messages.map(({ id }) => id)],
  )
  const known = new Map(rows.map((row) => [`${row.session_id} ${row.id}`, row.created]))
  return events.map((event) => {
    const info = userMessage(event)
    const created = info && known.get(`${event.aggregateID} ${info.id}`)
    return created === undefined
      ? event
      : { ...event, data: { ...event.data, info: { ...info, time: { ...info?.time, created } } } }
  })
}

function userMessage({ type, data }: DurableEvent): MessageInfo | undefined {
  const info = data['info'] as MessageInfo | undefined
  return type === 'message.updated.1' && info?.role === 'user' ? info : undefined
}
