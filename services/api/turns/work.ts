import { dirname } from 'node:path'
import { isShown } from '../../protocol/clients.ts'
import type { DurableEvent, PassingEvent, TurnEvent } from '../../protocol/events.ts'
import type { Database, Queryable } from '../../runtime/database/index.ts'
import { createID } from '../../runtime/ids.ts'
import { Problem } from '../../runtime/problem.ts'
import type { FeedItem } from '../events/feed.ts'
import { again } from '../store/again.ts'
import type { EngineAnswer, EngineRequest } from '../store/engine-messages.ts'
import { append, familyHeads, history } from '../store/events.ts'
import { removeRequest, saveRequest } from '../store/requests.ts'
import {
  lockSession,
  saveLatest,
  sessionHead,
  sessionInfo,
  setProject,
  type Project,
  type StoredSession,
} from '../store/sessions.ts'
import { releaseSandbox } from '../store/sandboxes.ts'
import { ensureTenant } from '../store/tenants.ts'
import {
  endTurn,
  forgetPrompt,
  hasOtherWork,
  holdTurn,
  setFork,
  type LockedTurn,
  type Turns,
} from '../store/turns.ts'
import { keepTimes } from '../store/message-times.ts'
import { copyWorkspace } from '../store/workspaces.ts'
import { problemAnswer, type EndedTurn } from './ending.ts'
import { toItem } from './items.ts'
import { admitted, withoutIdle } from './passing.ts'
import { isWork } from './prompt.ts'

/** How a turn ended, as its worker says. */
export interface Completion {
  outcome: 'completed' | 'failed' | 'aborted'
  response: EngineAnswer
  error?: string | undefined
  /** It failed as often as it may: kept as `dead`, for people to look into. */
  givenUp?: boolean | undefined
  /** What becomes of the sandbox. @default 'end' */
  sandbox?: 'keep' | 'end' | undefined
  /** What the engine takes the session's directory for. */
  project?: Omit<Project, 'time'> | undefined
}

/** A turn as its worker gets it. */
export interface ClaimedTurn {
  turn: {
    id: string
    sessionID: string
    directory: string
    request: EngineRequest
    attempt: number
    config: Record<string, unknown> | null
    deadline: string
  }
  fence: number
}

/** What the log's new events mean for clients. */
export interface Published {
  tenant: string
  items: FeedItem[]
}

/** What workers do with turns. Each write holds the turn's row and checks the fence in the same transaction. */
export class TurnWork {
  readonly #database: Database
  readonly #turns: Turns

  constructor(database: Database, turns: Turns) {
    this.#database = database
    this.#turns = turns
  }

  /** Gives the turn to a worker; earlier holders can write no more. @throws Problem 409 when it is over */
  async claim(turnID: string, worker: string, tokenAttempt?: number): Promise<ClaimedTurn> {
    const turn = await this.#turns.claim(turnID, worker, tokenAttempt)
    const { id, session_id: sessionID, directory, request, attempt, config, deadline } = turn
    const claimed = {
      id,
      sessionID,
      directory,
      request,
      attempt,
      config,
      deadline: deadline.toISOString(),
    }
    return { turn: claimed, fence: Number(turn.fence) }
  }

  /** The durable events of the session's family past these positions, a page at a time. */
  history(turnID: string, past: Record<string, number>): AsyncGenerator<DurableEvent[]> {
    return history(this.#database, turnID, past)
  }

  /** The newest event of each session of the family. */
  heads(turnID: string): Promise<Record<string, { seq: number; id: string }>> {
    return familyHeads(this.#database, turnID)
  }

  /**
   * Appends what the engine has done.
   * @returns what clients get, in the engine's order; what was appended before is not in it.
   * @throws Problem 409 `stale-fence`
   */
  async events(
    turnID: string,
    fence: number,
    events: readonly TurnEvent[],
  ): Promise<Published & { heads: Record<string, number> }> {
    return this.#database.transaction(async (tx) => {
      const turn = await holdTurn(tx, turnID, fence)
      const durable = events.filter((event) => event.kind === 'durable')
      const forks = forksSession(turn.request)
      const scope = {
        tenant: turn.tenant,
        user: turn.user_id,
        rootID: turn.root_id,
        directory: turn.directory,
        mayBegin: forks && turn.forked_id === null,
        forkedID: turn.forked_id ?? undefined,
      }
      const forkedID =
        turn.forked_id ??
        (forks ? durable.find(({ type }) => type === 'session.created.1')?.aggregateID : undefined)
      const appended = await append(
        tx,
        scope,
        (await keepTimes(tx, durable)).map((event) =>
          inOwnDirectory(event, forkedID, turn.directory),
        ),
      )
      const begun = forks
        ? appended.events.find(({ type }) => type === 'session.created.1')?.aggregateID
        : undefined
      if (begun !== undefined) await setFork(tx, turnID, begun)
      const fresh = new Map(appended.events.map((event) => [placeOf(event), event]))
      const family = { rootID: turn.root_id, forkedID: begun ?? scope.forkedID }
      if (durable.some((event) => isPrompt(event, turn))) await forgetPrompt(tx, turn.id)
      const passing = events.filter((event) => event.kind === 'passing')
      const welcome = await withoutIdle(await admitted(tx, family, passing), (sessionID) =>
        hasOtherWork(tx, sessionID, turn.id),
      )
      const items: FeedItem[] = []
      for (const event of events) {
        if (event.kind === 'durable') {
          const stored = fresh.get(placeOf(event))
          if (stored !== undefined && isShown(stored.type)) items.push(toItem(stored))
        } else if (welcome.has(event)) {
          await remember(tx, turn, event)
          const { id, type, properties } = event
          items.push({ seq: null, event: { id, type, properties }, directory: turn.directory })
        }
      }
      return { tenant: turn.tenant, heads: appended.heads, items }
    }, again)
  }

  /** Says that turns are alive. @returns where each stands, in the same order */
  async heartbeats(
    turns: readonly { id: string; fence: number }[],
  ): Promise<('held' | 'abort' | 'stale')[]> {
    const held = await this.#turns.heartbeats(turns)
    return turns.map(({ id, fence }) => {
      const turn = held.find((other) => other.id === id && other.fence === fence)
      return turn === undefined ? 'stale' : turn.abort ? 'abort' : 'held'
    })
  }

  /** Ends the turn. @returns what it was, and how long it took in seconds. @throws Problem 409 `stale-fence` */
  async complete(
    turnID: string,
    fence: number,
    { outcome, response, error, givenUp = false, project, sandbox }: Completion,
  ): Promise<{
    rootID: string
    tenant: string
    seconds: number
    ended: EndedTurn
    answer: EngineAnswer
  }> {
    return this.#database.transaction(async (tx) => {
      const status = givenUp ? 'dead' : outcome
      const turn = await holdTurn(tx, turnID, fence, status)
      const isRepeated = turn.status !== 'running'
      const answer = isFork(turn, response)
        ? await forkAnswer(tx, turn, response, isRepeated)
        : response
      const seconds = await endTurn(tx, turnID, { status, answer, error })
      await releaseSandbox(tx, turnID, sandbox === 'keep')
      if (project !== undefined) await setProject(tx, turn.root_id, project)
      const ended = {
        sessionID: turn.session_id,
        directory: turn.directory,
        work: isWork(turn.request),
        others: await hasOtherWork(tx, turn.session_id, turnID),
        aborted: outcome === 'aborted',
      }
      return { rootID: turn.root_id, tenant: turn.tenant, seconds, ended, answer }
    }, again)
  }

  /**
   * Appends events of the API's own while no worker has the session.
   * @returns undefined when one has it: ask it instead.
   */
  async appendIdle(
    session: StoredSession,
    changes: { type: string; data: Record<string, unknown> }[],
  ): Promise<FeedItem[] | undefined> {
    return this.#database.transaction(async (tx) => {
      await lockSession(tx, session.rootID)
      if ((await this.#turns.running(session.rootID, tx)) !== undefined) return undefined
      const first = (await sessionHead(tx, session.id)) + 1
      const scope = {
        tenant: session.tenant,
        user: session.user,
        rootID: session.rootID,
        directory: session.directory,
        mayBegin: false,
      }
      const durable = changes.map((change, index) => ({
        ...change,
        id: createID('event'),
        aggregateID: session.id,
        seq: first + index,
      }))
      return (await append(tx, scope, durable)).events.map(toItem)
    }, again)
  }

  /** Creates a session. */
  async createSession(
    scope: { tenant: string; user: string; rootID: string; directory: string },
    info: { id: string },
  ): Promise<FeedItem[]> {
    await ensureTenant(this.#database, scope.tenant)
    const created = {
      id: createID('event'),
      aggregateID: info.id,
      seq: 0,
      type: 'session.created.1',
      data: { sessionID: info.id, info },
    }
    const { events } = await this.#database.transaction(
      (tx) => append(tx, { ...scope, mayBegin: true }, [created]),
      again,
    )
    return events.map(toItem)
  }
}

/** Names an event of the log within a turn. */
function placeOf({ aggregateID, seq }: DurableEvent): string {
  return `${aggregateID} ${seq.toString()}`
}

/** Whether the engine has stored the turn's prompt with this event. */
function isPrompt({ type, aggregateID, data }: DurableEvent, turn: LockedTurn): boolean {
  const { id } = (data['info'] ?? {}) as { id?: unknown }
  return (
    turn.prompt_id !== null &&
    type === 'message.updated.1' &&
    aggregateID === turn.session_id &&
    id === turn.prompt_id
  )
}

/** A fork has files of its own, and so a directory of its own beside its source's, which is the one that the engine gives it. */
function inOwnDirectory(
  event: DurableEvent,
  forkedID: string | undefined,
  source: string,
): DurableEvent {
  const info = event.data['info'] as { directory?: string } | undefined
  if (
    event.aggregateID !== forkedID ||
    !event.type.startsWith('session.') ||
    info?.directory === undefined
  )
    return event
  const directory = `${dirname(source)}/${forkedID}`
  return {
    ...event,
    data: { ...event.data, info: { ...info, directory, path: directory.slice(1) } },
  }
}

function forksSession({ path }: EngineRequest): boolean {
  return path.endsWith('/fork')
}

function isFork({ request }: LockedTurn, { status }: EngineAnswer): boolean {
  return forksSession(request) && status === 200
}

/**
 * Answers a fork with our own row of the session that its turn has begun, never with the id that a worker names, and gives that
 * session its files. A repeated completion copies nothing.
 */
async function forkAnswer(
  tx: Queryable,
  turn: LockedTurn,
  response: EngineAnswer,
  isRepeated: boolean,
): Promise<EngineAnswer> {
  const info = turn.forked_id === null ? undefined : await sessionInfo(tx, turn.forked_id)
  if (turn.forked_id === null || info === undefined)
    return problemAnswer(new Problem(502, 'the fork has begun no session; send it again'))
  if (!isRepeated) await copyWorkspace(tx, turn.root_id, turn.forked_id)
  return { ...response, body: info }
}

/** Keeps what later requests ask for, of what passes by only once. */
async function remember(
  tx: Queryable,
  turn: LockedTurn,
  { type, properties }: PassingEvent,
): Promise<void> {
  const { tenant, id: turnID, root_id: rootID } = turn
  const sessionID =
    typeof properties['sessionID'] === 'string' ? properties['sessionID'] : turn.session_id
  if (type === 'todo.updated') {
    await saveLatest(tx, { id: sessionID, rootID }, 'todos', properties['todos'])
  } else if (type === 'session.diff') {
    await saveLatest(tx, { id: sessionID, rootID }, 'diff', properties['diff'])
  } else if (type === 'permission.asked' || type === 'question.asked') {
    const kind = type === 'permission.asked' ? 'permission' : 'question'
    const { id } = properties
    await saveRequest(tx, { id, tenant, sessionID, rootID, turnID, kind, data: properties })
  } else if (/^(permission|question)\.(replied|rejected)$/.test(type)) {
    const id = properties['requestID'] ?? properties['permissionID'] ?? properties['id']
    await removeRequest(tx, turnID, id)
  }
}
