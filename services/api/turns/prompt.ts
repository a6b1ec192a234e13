import { z } from 'zod'
import { createID } from '../../runtime/ids.ts'
import type { FeedItem } from '../events/feed.ts'
import type { EngineRequest } from '../store/engine-messages.ts'
import type { StoredMessage, StoredSession } from '../store/sessions.ts'
import type { PromptInfo } from '../store/turns.ts'

/** Requests that make a session work; the others only look something up or change it. */
const work = /^\/session\/[^/]+\/(message|prompt_async|command|shell|summarize|init)$/
const prompt = /^\/session\/[^/]+\/(message|prompt_async)$/

interface PromptBody {
  messageID?: string
  parts?: ({ id?: string } & Record<string, unknown>)[]
  agent?: string
  model?: { providerID: string; modelID: string }
  variant?: string
  noReply?: boolean
}

const partID = z.string()
/** Of a client's part, what other clients rely on; the engine says the rest. */
const shownPart = z.discriminatedUnion('type', [
  z.object({
    id: partID,
    type: z.literal('text'),
    text: z.string(),
    synthetic: z.boolean().optional(),
  }),
  z.object({
    id: partID,
    type: z.literal('file'),
    mime: z.string(),
    filename: z.string().optional(),
    url: z.string(),
  }),
  z.object({ id: partID, type: z.literal('agent'), name: z.string() }),
  z.object({
    id: partID,
    type: z.literal('subtask'),
    prompt: z.string(),
    description: z.string(),
    agent: z.string(),
  }),
])

/** Whether a session is busy while this request is answered, in the engine's own sense. */
export function isWork({ method, path, body }: EngineRequest): boolean {
  const { noReply } = (body ?? {}) as PromptBody
  return method === 'POST' && work.test(path) && noReply !== true
}

/**
 * The user's message that a request brings, as the engine will make it. What the engine alone knows is guessed:
 * its own event for the same id replaces this.
 * @param model - `provider/model` that answers where neither the prompt nor the session names one.
 * @returns undefined for other requests, and for a prompt without an id
 */
export function promptInfo(
  { method, path, body }: EngineRequest,
  { id: sessionID, info: session }: StoredSession,
  model: string,
): PromptInfo | undefined {
  const given = (body ?? {}) as PromptBody
  if (method !== 'POST' || !prompt.test(path) || given.messageID === undefined) return undefined
  const [providerID = '', ...modelID] = model.split('/')
  const before = session['model'] as { id: string; providerID: string } | undefined
  const chosen = given.model ??
    (before && { providerID: before.providerID, modelID: before.id }) ?? {
      providerID,
      modelID: modelID.join('/'),
    }
  return {
    id: given.messageID,
    sessionID,
    role: 'user',
    time: { created: Date.now() },
    agent: given.agent ?? (session['agent'] as string | undefined) ?? 'build',
    model: {
      providerID: chosen.providerID,
      modelID: chosen.modelID,
      ...(given.variant === undefined ? {} : { variant: given.variant }),
    },
  }
}

/** The message of a prompt with the parts that its request has. */
export function promptMessage(info: PromptInfo, { body }: EngineRequest): StoredMessage {
  const { parts = [] } = (body ?? {}) as PromptBody
  const { id: messageID, sessionID } = info
  const known = parts.flatMap((part) => shownPart.safeParse(part).data ?? [])
  return { info, parts: known.map((part) => ({ ...part, messageID, sessionID })) }
}

/** What clients get for a message: one event for its info, one for each of its parts. */
export function messageEvents({ info, parts }: StoredMessage) {
  const sessionID = info['sessionID']
  return [
    { type: 'message.updated', properties: { sessionID, info } },
    ...parts.map((part) => ({
      type: 'message.part.updated',
      properties: { sessionID, part, time: Date.now() },
    })),
  ]
}

/** An event of the service itself, which no log has. */
export function passingItem(
  directory: string,
  type: string,
  properties: Record<string, unknown>,
): FeedItem {
  return { seq: null, event: { id: createID('event'), type, properties }, directory }
}

/** Says that a session works. */
export function busyItem(directory: string, sessionID: string): FeedItem {
  return passingItem(directory, 'session.status', { sessionID, status: { type: 'busy' } })
}
