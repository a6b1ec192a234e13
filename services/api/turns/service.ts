import { createHash } from 'node:crypto'
import type { Identity } from '../../runtime/people/identity.ts'
import type { Database } from '../../runtime/database/index.ts'
import { createID } from '../../runtime/ids.ts'
import type { Logger } from '../../runtime/logger.ts'
import { errorFields } from '../../runtime/logger.ts'
import { Problem } from '../../runtime/problem.ts'
import { traceparent } from '../../runtime/tracing.ts'
import type { FeedItem } from '../events/feed.ts'
import type { EngineAnswer, EngineRequest } from '../store/engine-messages.ts'
import type { StoredSession } from '../store/sessions.ts'
import type { QueuedTurn, TurnLimits, Turns } from '../store/turns.ts'
import type { TurnCommands } from './commands.ts'
import { failureItems, problemAnswer } from './ending.ts'
import {
  busyItem,
  isWork,
  messageEvents,
  passingItem,
  promptInfo,
  promptMessage,
} from './prompt.ts'
import type { TurnQueue } from './queue.ts'
import type { TurnClaims, TurnTokens } from './token.ts'
import { recordUnrun } from './unrun.ts'
import type { TurnWaiter } from './waiter.ts'

/** A client's key for a request, and the body as the client sent it, before ids were added. */
export interface Idempotency {
  key: string | undefined
  body: unknown
  /** The message's id as the client chose it, where another took its place. */
  replacedID?: string | undefined
}

/** What {@link TurnService} works with. */
export interface TurnServiceOptions extends TurnLimits {
  database: Database
  store: Turns
  /** `provider/model` that answers where nothing else is named. */
  model: string
  queue: TurnQueue
  tokens: TurnTokens
  commands: TurnCommands
  waiter: TurnWaiter
  logger: Logger
  /** Tells a tenant's clients. */
  publish(tenant: string, items: readonly FeedItem[]): Promise<void>
}

/** Takes turns in, gives them to the queue one at a time a session, and waits for their ends. */
export class TurnService {
  readonly #options: TurnServiceOptions

  constructor(options: TurnServiceOptions) {
    this.#options = options
  }

  /**
   * Stores a turn and queues it when it is the session's first.
   * @param idempotency - The same key is the same turn.
   * @returns the turn's id.
   * @throws Problem 429 past the tenant's limit; 422 when the key was used for another request
   */
  async submit(
    identity: Identity,
    session: StoredSession,
    request: EngineRequest,
    idempotency?: Idempotency,
  ): Promise<string> {
    const said = JSON.stringify([
      session.id,
      request.method,
      request.path,
      request.query,
      idempotency?.body,
    ])
    const id = createID('turn')
    const { store, model, publish } = this.#options
    const prompt = promptInfo(request, session, model)
    const work = isWork(request)
    const existing = await store.add(
      {
        id,
        identity,
        sessionID: session.id,
        rootID: session.rootID,
        request,
        digest: createHash('sha256').update(said).digest('hex'),
        key: idempotency?.key ?? (work ? derivedKey(session, idempotency?.body) : undefined),
        isKeyGiven: idempotency?.key !== undefined,
        traceparent: traceparent(),
        work,
        prompt,
      },
      this.#options,
    )
    if (existing !== undefined) return existing
    // Before a worker can have it, so that nothing of the engine's comes before this.
    const { replacedID: messageID } = idempotency ?? {}
    await publish(session.tenant, [
      ...(messageID === undefined
        ? []
        : [
            passingItem(session.directory, 'message.removed', { sessionID: session.id, messageID }),
          ]),
      ...(prompt === undefined
        ? []
        : messageEvents(promptMessage(prompt, request)).map(({ type, properties }) =>
            passingItem(session.directory, type, properties),
          )),
      ...(work ? [busyItem(session.directory, session.id)] : []),
    ])
    await this.promote(session.rootID, id)
    return id
  }

  /** Waits for a turn's end. @throws when the client goes away */
  async answer(turnID: string, signal?: AbortSignal): Promise<EngineAnswer> {
    return this.#options.waiter.until(
      turnID,
      async () => {
        const turn = await this.#options.store.read(turnID)
        if (turn === undefined) return gone
        return turn.over ? (turn.answer ?? gone) : undefined
      },
      signal,
    )
  }

  /**
   * Gives the family's next turn to the queue, unless one is there already.
   * @param announced - The turn that clients know of already.
   */
  async promote(rootID: string, announced?: string): Promise<void> {
    const { database, store, publish } = this.#options
    for (const { tenant, items } of await recordUnrun(database, store, rootID))
      await publish(tenant, items)
    const next = await store.promote(rootID)
    if (next === undefined) return
    // The turn before it may have said that the session is idle.
    if (next.work === true && next.id !== announced)
      await publish(next.tenant, [busyItem(next.directory, next.session_id)])
    await this.enqueue(next)
  }

  /** Puts a turn's current attempt into the queue. Where Redis is away the reaper does it later. */
  async enqueue(turn: QueuedTurn): Promise<void> {
    const { queue, tokens, logger } = this.#options
    try {
      const token = await tokens.sign(
        {
          turn: turn.id,
          session: turn.session_id,
          tenant: turn.tenant,
          attempt: turn.attempt,
        },
        turn.deadline,
      )
      await queue.add(
        {
          turnId: turn.id,
          token,
          ...(turn.traceparent === null ? {} : { traceparent: turn.traceparent }),
        },
        turn.attempt,
      )
    } catch (error) {
      logger.warn(
        { turn: turn.id, ...errorFields(error) },
        'the turn is queued later, when Redis is back',
      )
    }
  }

  /** Aborts what a session has waiting and running. */
  async abort(session: StoredSession): Promise<void> {
    const { store, commands, waiter, queue, publish } = this.#options
    const ended = await store.abort(session.id, abortedBeforeStart)
    await Promise.all(
      ended.map(async ({ id, status, attempt }) => {
        if (status === 'running') await commands.abort(id).catch(() => undefined)
        else {
          await queue.remove(id, attempt).catch(() => undefined)
          await waiter.over(id).catch(() => undefined)
        }
      }),
    )
    const { id: sessionID, directory, tenant } = session
    const others = ended.some(({ status }) => status !== 'aborted')
    for (const { status, work } of ended)
      if (status === 'aborted') {
        const turn = { sessionID, directory, work: work === true, others }
        await publish(tenant, failureItems(turn, abortedBeforeStart))
      }
    if (ended.some(({ status }) => status === 'aborted')) await this.promote(session.rootID)
  }

  /** The family's turn that a worker has, if any. */
  async running(rootID: string): Promise<string | undefined> {
    return (await this.#options.store.running(rootID))?.id
  }

  /**
   * Checks that a turn's token is still good: a worker has the turn, in the attempt that the token was made for.
   * @throws Problem 403 `turn-over`
   */
  async checkToken({ turn, attempt }: TurnClaims): Promise<void> {
    await this.#options.store.checkRunning(turn, attempt)
  }

  /** Which of the tenant's sessions have work to do. */
  async busy({ tenant }: Identity): Promise<string[]> {
    return this.#options.store.busySessions(tenant)
  }

  /** Sessions with open turns, and the age of the oldest turn without a worker in seconds, of all tenants. */
  async load(): Promise<{ sessions: number; oldest: number }> {
    return this.#options.store.load()
  }

  /** Asks the engine: the one that runs the session now, or one that gets the session for this request. */
  async ask(
    identity: Identity,
    session: StoredSession,
    request: EngineRequest,
    signal?: AbortSignal,
  ): Promise<EngineAnswer> {
    const running = await this.running(session.rootID)
    if (running !== undefined) return this.#options.commands.request(running, request)
    return this.answer(await this.submit(identity, session, request), signal)
  }

  /** Asks the engine that runs a certain turn. */
  async command(turnID: string, request: EngineRequest): Promise<EngineAnswer> {
    return this.#options.commands.request(turnID, request)
  }
}

/** The same message twice is the same request: clients that give up waiting send theirs again. No given key has a space. */
function derivedKey({ id }: StoredSession, body: unknown): string | undefined {
  const { messageID } = (body ?? {}) as { messageID?: unknown }
  // What is no id of a message is the engine's to refuse, and may be too long for an index.
  const isID = typeof messageID === 'string' && /^msg\w{0,61}$/.test(messageID)
  return isID ? `message ${id} ${messageID}` : undefined
}

const gone: EngineAnswer = problemAnswer(new Problem(410, 'the turn is gone'))
const abortedBeforeStart: EngineAnswer = problemAnswer(
  new Problem(409, 'the turn was aborted before it began', { type: 'aborted' }),
)
