import { randomBytes } from 'node:crypto'
import type { DurableEvent } from '../protocol/events.ts'

const REASON =
  'The worker that ran this was lost; the turn was started again on another one. Files changed since the turn began may be missing: look first.'

interface Part {
  id: string
  type?: string
  messageID: string
  state?: { status?: string; input?: unknown; time?: { start?: number } }
}
interface Message {
  id: string
  role?: string
  time?: { created?: number; completed?: number }
}

/**
 * The events that close what an earlier delivery of the turn left open: tool calls that were running become errors,
 * unfinished answers become aborted. Appended to the log before the turn is sent again, so that the engine, its model
 * and every client see the same past.
 * @param history - All events of the session and its descendants, in order within each session.
 * @param now - Milliseconds since the epoch.
 * @param reason - What the model and the client are told.
 */
export function interruptionEvents(
  history: readonly DurableEvent[],
  now: number,
  reason = REASON,
): DurableEvent[] {
  const heads = new Map<string, number>()
  const parts = new Map<string, { event: DurableEvent; part: Part }>()
  const messages = new Map<string, { event: DurableEvent; info: Message }>()
  for (const event of history) {
    heads.set(event.aggregateID, event.seq)
    if (event.type === 'message.part.updated.1')
      parts.set((event.data['part'] as Part).id, { event, part: event.data['part'] as Part })
    if (event.type === 'message.part.removed.1') parts.delete(event.data['partID'] as string)
    if (event.type === 'message.updated.1')
      messages.set((event.data['info'] as Message).id, {
        event,
        info: event.data['info'] as Message,
      })
    if (event.type === 'message.removed.1') messages.delete(event.data['messageID'] as string)
  }
  const result: DurableEvent[] = []
  const append = (aggregateID: string, type: string, data: Record<string, unknown>) => {
    const seq = (heads.get(aggregateID) ?? -1) + 1
    heads.set(aggregateID, seq)
    result.push({ id: eventID(now, result.length), aggregateID, seq, type, data })
  }
  for (const { event, part } of parts.values()) {
    const status = part.state?.status
    if (
      part.type !== 'tool' ||
      !messages.has(part.messageID) ||
      (status !== 'running' && status !== 'pending')
    )
      continue
    const state = {
      status: 'error',
      input: part.state?.input ?? {},
      error: reason,
      time: { start: part.state?.time?.start ?? now, end: now },
    }
    append(event.aggregateID, 'message.part.updated.1', {
      ...event.data,
      part: { ...part, state },
      time: now,
    })
  }
  for (const { event, info } of messages.values()) {
    if (info.role !== 'assistant' || info.time?.completed !== undefined) continue
    const error = { name: 'MessageAbortedError', data: { message: reason } }
    append(event.aggregateID, 'message.updated.1', {
      ...event.data,
      info: { ...info, error, time: { ...info.time, completed: now } },
    })
  }
  return result
}

/** An ascending event id as the engine makes them: 12 hex digits of time and counter, 14 random characters. */
function eventID(now: number, counter: number): string {
  const time = (BigInt(now) * 0x1000n + BigInt(counter + 1)) & 0xffffffffffffn
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const random = [...randomBytes(14)].map((byte) => alphabet[byte % alphabet.length]).join('')
  return `evt_${time.toString(16).padStart(12, '0')}${random}`
}
