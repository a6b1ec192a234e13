import type { Problem } from '../../runtime/problem.ts'
import type { FeedItem } from '../events/feed.ts'
import type { EngineAnswer } from '../store/engine-messages.ts'
import { passingItem } from './prompt.ts'

/** A turn that is over. */
export interface EndedTurn {
  sessionID: string
  directory: string
  /** Whether it made its session busy. */
  work: boolean
  /** Whether the session has other work, so that it is not idle now. @default false */
  others?: boolean
  /** Whether a client ended it. The engine's own word of the idle session may have been held back. @default false */
  aborted?: boolean
}

/**
 * What clients are told of work that has failed: why, and that the session is idle again. Its engine may be gone or never have begun,
 * and a client that does not wait for the answer (`prompt_async`, a second terminal) would wait for these events for ever.
 */
export function failureItems(
  { sessionID, directory, work, others = false, aborted = false }: EndedTurn,
  answer: EngineAnswer,
): FeedItem[] {
  const failed = answer.status >= 400
  if (!work || !(failed || aborted)) return []
  const error = { sessionID, error: errorOf(answer) }
  return [
    ...(failed ? [passingItem(directory, 'session.error', error)] : []),
    ...(others ? [] : idleItems(directory, sessionID)),
  ]
}

/** Says that a session works no longer. */
export function idleItems(directory: string, sessionID: string): FeedItem[] {
  return [
    passingItem(directory, 'session.status', { sessionID, status: { type: 'idle' } }),
    passingItem(directory, 'session.idle', { sessionID }),
  ]
}

/** A failed answer as the engine's messages and events name it. */
export function errorOf(answer: EngineAnswer | null) {
  return {
    name: answer?.status === 409 ? 'MessageAbortedError' : 'UnknownError',
    data: { message: reasonOf(answer?.body) },
  }
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
