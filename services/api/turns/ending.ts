import { createID } from '../../runtime/ids.ts'
import type { Problem } from '../../runtime/problem.ts'
import type { FeedItem } from '../events/feed.ts'
import type { EngineAnswer, EngineRequest } from '../store/engine-messages.ts'

/** A turn that is over. */
export interface EndedTurn {
  sessionID: string
  directory: string
  request: EngineRequest
}

/** Requests that make a session work; the others only look something up or change it. */
const work = /^\/session\/[^/]+\/(message|prompt_async|command|shell|summarize|init)$/

/** Whether a session is busy while this request is answered, in the engine's own sense. */
export function isWork({ method, path }: EngineRequest): boolean {
  return method === 'POST' && work.test(path)
}

/**
 * What clients are told of work that has failed: why, and that the session is idle again. Its engine may be gone or never have begun,
 * and a client that does not wait for the answer (`prompt_async`, a second terminal) would wait for these events for ever.
 */
export function failureItems(
  { sessionID, directory, request }: EndedTurn,
  { status, body }: EngineAnswer,
): FeedItem[] {
  if (status < 400 || !isWork(request)) return []
  const error = {
    name: status === 409 ? 'MessageAbortedError' : 'UnknownError',
    data: { message: reasonOf(body) },
  }
  const events = [
    ['session.error', { sessionID, error }],
    ['session.status', { sessionID, status: { type: 'idle' } }],
    ['session.idle', { sessionID }],
  ] as const
  return events.map(([type, properties]) => ({
    seq: null,
    event: { id: createID('event'), type, properties },
    directory,
  }))
}

/** A problem in the form of an engine's answer. */
export function problemAnswer(problem: Problem): EngineAnswer {
  return {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json' },
    body: problem.toJSON(),
  }
}

function reasonOf(body: unknown): string {
  const { detail, data } = (typeof body === 'object' && body !== null ? body : {}) as {
    detail?: unknown
    data?: { message?: unknown }
  }
  const said = detail ?? data?.message
  return typeof said === 'string' ? said : 'the engine refused the request'
}
