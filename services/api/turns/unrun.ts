import type { Database, Queryable } from '../../runtime/database/index.ts'
import { createID } from '../../runtime/ids.ts'
import type { FeedItem } from '../events/feed.ts'
import { again } from '../store/again.ts'
import { append } from '../store/events.ts'
import { lockSession, sessionToAppend } from '../store/sessions.ts'
import { forgetPrompt, unrunPrompts, type Turns, type UnrunPrompt } from '../store/turns.ts'
import { errorOf } from './ending.ts'
import { toItem } from './items.ts'
import { messageEvents, passingItem, promptMessage } from './prompt.ts'

/**
 * Puts prompts into the log that were accepted and whose turns ended before an engine took them: the user's message, and an
 * answer that says why there is none. Does nothing while a worker has the family; the end of its turn calls this again.
 * @returns what clients get
 */
export async function recordUnrun(
  database: Database,
  turns: Turns,
  rootID: string,
): Promise<{ tenant: string; items: FeedItem[] }[]> {
  if ((await unrunPrompts(database, rootID)).length === 0) return []
  return database.transaction(async (tx) => {
    await lockSession(tx, rootID)
    if ((await turns.running(rootID, tx)) !== undefined) return []
    const done = []
    for (const turn of await unrunPrompts(tx, rootID))
      done.push(await (isRefused(turn) ? forget(tx, turn) : record(tx, turn)))
    return done
  }, again)
}

/** Whether the engine has seen the prompt and does not want it: its log must not have it either. */
function isRefused({ result }: UnrunPrompt): boolean {
  return result === null || (result.status < 500 && result.status !== 409)
}

async function forget(tx: Queryable, { id, session_id: sessionID, prompt }: UnrunPrompt) {
  const { tenant, directory } = await sessionToAppend(tx, sessionID)
  await forgetPrompt(tx, id)
  const removed = { sessionID, messageID: prompt.id }
  return { tenant, items: [passingItem(directory, 'message.removed', removed)] }
}

/** Parts that the engine makes nothing of but themselves; a task that nobody began must not begin with the next prompt. */
function isPlain({ type, url }: Record<string, unknown>): boolean {
  return type === 'text' || type === 'agent' || (type === 'file' && /^data:/.test(String(url)))
}

async function record(tx: Queryable, turn: UnrunPrompt) {
  const { tenant, rootID, directory, head } = await sessionToAppend(tx, turn.session_id)
  const scope = { tenant, user: turn.user_id, rootID, directory, mayBegin: false }
  const asked = promptMessage(turn.prompt, turn.request)
  const events = [
    ...messageEvents({ ...asked, parts: asked.parts.filter(isPlain) }),
    ...messageEvents({ info: unanswered(turn, directory), parts: [] }),
  ]
  const appended = await append(
    tx,
    scope,
    events.map(({ type, properties }, index) => ({
      id: createID('event'),
      aggregateID: turn.session_id,
      seq: head + 1 + index,
      type: `${type}.1`,
      data: properties,
    })),
  )
  await forgetPrompt(tx, turn.id)
  return { tenant, items: appended.events.map(toItem) }
}

/** The answer to a prompt that no engine has taken, in the form of one that was aborted. */
function unanswered({ prompt, session_id, result }: UnrunPrompt, directory: string) {
  const now = Date.now()
  const { providerID, modelID } = prompt['model'] as Record<string, string>
  return {
    id: createID('message', now),
    sessionID: session_id,
    role: 'assistant',
    parentID: prompt.id,
    agent: prompt['agent'],
    mode: prompt['agent'],
    providerID,
    modelID,
    path: { cwd: directory, root: directory },
    cost: 0,
    tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } },
    time: { created: now, completed: now },
    // The engine looks for work that is left open behind the newest finished answer.
    finish: 'error',
    error: errorOf(result),
  }
}
