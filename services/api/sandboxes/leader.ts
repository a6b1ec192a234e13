import type { Logger } from '../../runtime/logger.ts'
import { errorFields } from '../../runtime/logger.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import { setAll } from '../../runtime/metrics.ts'
import type { Queryable } from '../../runtime/database/index.ts'
import type { SandboxLimits, Sandboxes } from '../store/sandboxes.ts'
import type { SandboxPod, SandboxPods } from './pods.ts'

/** What {@link SandboxLeader} works with. */
export interface SandboxLeaderOptions {
  store: Sandboxes
  pods: SandboxPods
  limits: SandboxLimits
  metrics: Metrics
  logger: Logger
  /** Time between two looks, ms. @default 2_000 */
  interval?: number
}

/** A claim this young may be of a pod that came after the list was read, seconds. */
const YOUNG = 30

/**
 * Brings rows and pods together: ends what is idle, over age or too many, ends claimed pods that no row names, forgets rows without a pod.
 * Every API process tries; an advisory lock lets one of them do each round.
 */
export class SandboxLeader {
  readonly #options: SandboxLeaderOptions
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined

  constructor(options: SandboxLeaderOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.round(), options.interval ?? 2_000).unref()
  }

  /** One look; a second call while one is under way waits for that one. */
  async round(): Promise<void> {
    const { store, pods, logger } = this.#options
    this.#running ??= (async () => {
      // Pods first: a claimed one that is listed had its row before that.
      const listed = await pods.list()
      await store.lead((tx) => this.#reconcile(tx, listed))
    })()
      .catch((error: unknown) => {
        logger.warn(errorFields(error), 'looking after the sandboxes failed')
      })
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  async #reconcile(tx: Queryable, listed: SandboxPod[]): Promise<void> {
    const { store, pods, limits, metrics, logger } = this.#options
    await store.markDue(tx, limits)
    const rows = await store.list(tx)
    const byUID = new Map(listed.map((pod) => [pod.uid, pod]))
    const known = new Set(rows.map(({ uid }) => uid))
    for (const { uid, name, status, age, turn_id: turnID } of rows) {
      const pod = byUID.get(uid)
      // Its turn's worker finds out by itself, and says why.
      const isSpent = pod !== undefined && pod.state !== 'running' && turnID === null
      if (pod === undefined) {
        if (status === 'ending' || age > YOUNG) await store.remove(uid, tx)
      } else if (status === 'ending' || isSpent) {
        await pods.end(name, uid)
        logger.info({ sandbox: name }, 'a sandbox has been ended')
        await store.remove(uid, tx)
      }
    }
    for (const { uid, name, isClaimed, state } of listed) {
      if (!isClaimed || known.has(uid) || state === 'leaving') continue
      logger.warn({ sandbox: name }, "a claimed sandbox is nobody's; it is ended")
      await pods.end(name, uid)
    }
    const count = (test: (pod: SandboxPod) => boolean) => listed.filter(test).length
    setAll(metrics.sandboxes, [
      { labels: { state: 'pool' }, value: count((pod) => !pod.isClaimed && pod.isReady) },
      { labels: { state: 'starting' }, value: count((pod) => !pod.isClaimed && !pod.isReady) },
      { labels: { state: 'busy' }, value: rows.filter((row) => row.turn_id !== null).length },
      {
        labels: { state: 'idle' },
        value: rows.filter((row) => row.status === 'awake' && row.turn_id === null).length,
      },
    ])
  }
}
