import type { Logger } from '../../runtime/logger.ts'
import { errorFields } from '../../runtime/logger.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import { Problem } from '../../runtime/problem.ts'
import type { Granted, SandboxLimits, Sandboxes } from '../store/sandboxes.ts'
import type { SandboxPod, SandboxPods } from './pods.ts'
import type { Tickets } from './ticket.ts'

/** What opens a sandbox to one worker for one turn. */
export interface SandboxGrant {
  uid: string
  address: string
  ticket: string
}

/** What {@link SandboxService} works with. */
export interface SandboxServiceOptions {
  store: Sandboxes
  /** Absent: there are none, and turns wait. */
  pods: SandboxPods | undefined
  tickets: Tickets | undefined
  limits: SandboxLimits
  metrics: Metrics
  logger: Logger
}

/** How old a list of pods may be, ms: many turns may wait for one at once. A claim finds out what has changed since. */
const LIST_AGE = 500

/** Reasons with which a worker says that the engine itself has failed; the others are looked into. */
const ownFailures = new Set(['crash', 'hang', 'memory'])

/** Gives sandboxes to turns, and ends them. PostgreSQL decides who has one; the pod is told after that. */
export class SandboxService {
  readonly #options: SandboxServiceOptions
  #listed: { at: number; pods: Promise<SandboxPod[]> } | undefined

  constructor(options: SandboxServiceOptions) {
    this.#options = options
  }

  /**
   * The family's sandbox, or one of the pool.
   * @throws Problem 503 `no-sandbox` while there is none to be had; 409 `stale-fence`
   */
  async grant(turnID: string, fence: number): Promise<SandboxGrant> {
    const { store, metrics } = this.#options
    const own = await store.grant(turnID, fence)
    if (own !== undefined) {
      metrics.sandboxClaims.inc({ from: 'awake' })
      return this.#signed(own, turnID)
    }
    const claimed = await this.#claim(turnID, fence)
    if (claimed === undefined) throw noSandbox()
    metrics.sandboxClaims.inc({ from: 'pool' })
    return this.#signed(claimed, turnID)
  }

  /**
   * Ends the turn's sandbox.
   * @param reason - What its worker has seen.
   * @returns how often this turn has ended its sandbox from within; drains, evictions and what was never reached do not count.
   */
  async end(turnID: string, fence: number, uid: string, reason: string): Promise<number> {
    const { store, pods, metrics, logger } = this.#options
    const row = await store.beginEnd(turnID, fence, uid)
    if (row === undefined || pods === undefined) return store.countLoss(turnID, false)
    const state = (await pods.find(row.name, uid).catch(() => undefined))?.state
    const isFromWithin =
      ownFailures.has(reason) ||
      (reason === 'silent' && state === 'running') ||
      (reason !== 'unusable' && state === 'ended') ||
      (reason === 'gone' && state === 'running')
    metrics.sandboxEnds.inc({ reason })
    logger.warn({ turn: turnID, sandbox: row.name, reason, isFromWithin }, 'a sandbox is given up')
    await this.#end(row.name, uid)
    return store.countLoss(turnID, isFromWithin)
  }

  async #claim(turnID: string, fence: number): Promise<Granted | undefined> {
    const { store, pods, limits, logger } = this.#options
    if (pods === undefined) return undefined
    const waiting = (await this.#list(pods)).filter(
      ({ isClaimed, isReady, state }) => !isClaimed && isReady && state === 'running',
    )
    // Whoever asks at the same time should not ask for the same one.
    for (const pod of shuffled(waiting)) {
      const { uid, name, address } = pod
      if (address === undefined) continue
      const granted = await store.claim(turnID, fence, { uid, name, address }, limits.maxAwake)
      if (granted === undefined) continue
      try {
        if (await pods.claim(pod)) return granted
        await store.remove(uid)
      } catch (error) {
        // It may have been taken all the same: nobody else may have it.
        logger.warn({ sandbox: name, ...errorFields(error) }, 'a sandbox could not be claimed')
        await this.#end(name, uid)
        await store.remove(uid)
      }
    }
    if (limits.maxAwake > 0 && (await store.list()).length >= limits.maxAwake)
      await store.endIdlest()
    return undefined
  }

  #list(pods: SandboxPods): Promise<SandboxPod[]> {
    const now = performance.now()
    if (this.#listed === undefined || now - this.#listed.at > LIST_AGE) {
      const listed = pods.list()
      this.#listed = { at: now, pods: listed }
      listed.catch(() => {
        this.#listed = undefined
      })
    }
    return this.#listed.pods
  }

  async #end(name: string, uid: string): Promise<void> {
    await this.#options.pods?.end(name, uid).catch((error: unknown) => {
      this.#options.logger.warn({ sandbox: name, ...errorFields(error) }, 'ended later')
    })
  }

  async #signed({ uid, address, fence }: Granted, turn: string): Promise<SandboxGrant> {
    const { tickets } = this.#options
    if (tickets === undefined) throw noSandbox()
    return { uid, address, ticket: await tickets.sign({ pod: uid, turn, fence }) }
  }
}

function noSandbox(): Problem {
  return new Problem(503, 'there is no sandbox to be had yet; ask again', {
    type: 'no-sandbox',
    headers: { 'retry-after': '1' },
  })
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, place: Math.random() }))
  return order.sort((a, b) => a.place - b.place).map(({ item }) => item)
}
