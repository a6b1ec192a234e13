import type { EdgeConfig } from './config.ts'
import type { Env } from './env.ts'
import type { HealthObject } from './health-object.ts'
import type { ControlChange, HealthState } from './health-state.ts'
import { noControls } from './health-state.ts'
import { RegionManager } from './region-manager.ts'
import { Geography, candidates } from './routing.ts'

/** Key of the cached state. The host exists for no one: the cache belongs to this Worker's zone. */
const CACHE_KEY = 'https://edge.invalid/__edge/state'
/** How long a cold isolate waits for its first state, ms. */
const FIRST_WAIT = 250
/** Connection failures in a row after which an isolate leaves a region even though its health check passes. */
const BREAK_AFTER = 3
/** How long it stays away then, ms. */
const BREAK_MS = 10_000
/** Shortest time between two probes that failed requests cause, ms. */
const PROBE_GAP = 500
/** Time between this data centre's own measurements of the way to each region, ms. */
const MEASURE_MS = 60_000
/** After this time a refresh or probe counts as lost, ms: the runtime ends what a request has begun, and its promises then never settle. */
const LOST_AFTER = 10_000

/** Where a client is, as Cloudflare tells it. */
export interface Location {
  readonly continent?: string | null
  readonly country?: string | null
}

/** What this isolate has seen of a region itself. */
interface Local {
  /** Failed requests since the last good one. */
  failures: number
  /** Failed requests that got no answer at all, since the last good one. */
  broken: number
  /** The isolate's own probe failed, or the region broke too often: away until a probe passes and this time has come. */
  awayUntil: number
  /** When the last own probe began, ms. */
  probedAt: number
  probing: Promise<boolean> | undefined
}

/**
 * Health as one isolate sees it: the Durable Object's verdict from memory, refreshed in the background through the data centre's
 * cache, and what the isolate's own requests ran into. A request never waits for it, except the first one of an isolate, briefly.
 */
export class HealthView {
  readonly #config: EdgeConfig
  readonly #geography: Geography
  /** Holds this data centre's latencies only: its verdicts are never asked. */
  readonly #measured: RegionManager
  readonly #local = new Map<string, Local>()
  readonly #orders = new Map<string, readonly string[]>()
  #state: HealthState | undefined
  #fetchedAt = 0
  #measuredAt = 0
  /** Until when nobody else begins a refresh, ms; 0 when none is under way. */
  #refreshingUntil = 0

  constructor(config: EdgeConfig) {
    this.#config = config
    this.#geography = new Geography(config)
    const { regions, defaultRegion, settings } = config
    const origins = Object.fromEntries(
      Object.entries(regions).map(([name, { api }]) => [name, api]),
    )
    // Verdicts come from elsewhere: a region that failed a measurement is only unmeasured.
    this.#measured = new RegionManager({
      origins,
      defaultRegion,
      timeout: settings.probeTimeout,
      nearer: settings.nearer,
      down: Infinity,
    })
    for (const name of Object.keys(regions)) {
      this.#local.set(name, {
        failures: 0,
        broken: 0,
        awayUntil: 0,
        probedAt: 0,
        probing: undefined,
      })
    }
  }

  /** Keeps the state fresh. @returns a promise only where the isolate knows nothing yet */
  refresh(env: Env, context: ExecutionContext, now: number): Promise<void> | undefined {
    if (now - this.#fetchedAt < this.#config.settings.refresh) return undefined
    if (now >= this.#refreshingUntil) {
      this.#refreshingUntil = now + LOST_AFTER
      context.waitUntil(
        this.#load(env, context, now).finally(() => {
          this.#refreshingUntil = 0
        }),
      )
    }
    return this.#fetchedAt === 0 ? this.#first(now + FIRST_WAIT) : undefined
  }

  /** The regions to try for a client, best first. */
  candidates(
    home: string | undefined,
    { continent, country }: Location,
    now: number,
  ): readonly string[] {
    const key = home ?? `${continent ?? ''}/${country ?? ''}`
    const known = this.#orders.get(key)
    if (known !== undefined) return known
    const preferred =
      (home === undefined ? undefined : this.#geography.from(home)) ??
      this.#geography.order(continent, country)
    const believed =
      this.#state !== undefined && now - this.#state.checkedAt < this.#config.settings.stale
        ? this.#state
        : undefined
    const order = candidates({
      preferred,
      controls: this.#state?.controls ?? noControls,
      healthy: (name) =>
        believed?.regions[name]?.healthy !== false && this.#local.get(name)?.awayUntil === 0,
      // Data is where the home is, however far: only a client without one goes to the fastest.
      ...(home === undefined ? { best: (usable) => this.#measured.getBestRegion(usable) } : {}),
    })
    this.#orders.set(key, order)
    return order
  }

  /** A request got an answer that is no failure. Called for every request: does nothing in the common case. */
  succeeded(region: string): void {
    const local = this.#local.get(region)
    if (local === undefined || local.failures === 0) return
    local.failures = 0
    local.broken = 0
  }

  /**
   * A request failed: the region is probed at once, and the Durable Object told if that fails too.
   * @param broken - there was no answer, and that cannot be the client's doing
   */
  failed(region: string, broken: boolean, env: Env, context: ExecutionContext): void {
    const local = this.#local.get(region)
    if (local === undefined) return
    local.failures += 1
    if (broken) local.broken += 1
    if (local.broken >= BREAK_AFTER && local.awayUntil === 0)
      this.#leave(local, Date.now() + BREAK_MS)
    // An endpoint that always answers 503 must not probe its region at every request.
    if (local.awayUntil === 0 && Date.now() - local.probedAt >= PROBE_GAP)
      void this.#probe(region, local, env, context)
  }

  /** Whether a request that cannot be repeated may go to a region. Asks the region first if its last request failed. */
  async trusts(region: string, env: Env, context: ExecutionContext): Promise<boolean> {
    const local = this.#local.get(region)
    if (local === undefined || local.failures === 0) return true
    return within(
      this.#config.settings.probeTimeout,
      this.#probe(region, local, env, context),
    ).catch(() => false)
  }

  /** Whether the region's last request failed. */
  suspects(region: string): boolean {
    return (this.#local.get(region)?.failures ?? 0) > 0
  }

  /** Takes over a state that came from the Durable Object. */
  adopt(state: HealthState, now: number): void {
    this.#state = state
    this.#fetchedAt = now
    this.#orders.clear()
  }

  /** What this isolate knows, for the operator's page. */
  describe(): Record<string, unknown> {
    const local = [...this.#local].map(([name, { failures, broken, awayUntil }]) => {
      return [
        name,
        { failures, broken, away: awayUntil > 0, latency: this.#measured.health(name).latency },
      ] as const
    })
    return { fetchedAt: this.#fetchedAt, regions: Object.fromEntries(local) }
  }

  /** Waits for the first state, in the waiting request's own time. */
  async #first(deadline: number): Promise<void> {
    while (this.#fetchedAt === 0 && Date.now() < deadline) await scheduler.wait(5)
  }

  async #load(env: Env, context: ExecutionContext, now: number): Promise<void> {
    try {
      const cache = caches.default
      const cached = await cache.match(CACHE_KEY)
      if (cached === undefined) {
        const state = await within(this.#config.settings.probeTimeout, healthObject(env).state())
        await cache.put(CACHE_KEY, cacheable(state, this.#config.settings.refresh))
        this.adopt(state, now)
        await this.#measure(now)
      } else {
        this.adopt(await cached.json<HealthState>(), now)
      }
    } catch (error) {
      // The old state stays until it is stale. Asked again at the next interval, not at each request.
      this.#fetchedAt = now
      this.#orders.clear()
      console.warn(`health state not refreshed: ${String(error)}`)
    }
    await Promise.all(
      [...this.#local].map(([region, local]) => this.#revisit(region, local, env, context)),
    )
  }

  async #measure(now: number): Promise<void> {
    if (now - this.#measuredAt < MEASURE_MS) return
    this.#measuredAt = now
    await Promise.all(
      Object.keys(this.#config.regions).map((region) => this.#measured.checkHealth(region)),
    )
    this.#orders.clear()
  }

  /** A region that this isolate left comes back by a probe, never by trying with a client's request. */
  async #revisit(region: string, local: Local, env: Env, context: ExecutionContext): Promise<void> {
    if (local.awayUntil > 0 && Date.now() >= local.awayUntil)
      await this.#probe(region, local, env, context)
  }

  /** Probes a region, once for all requests that want to know at the same time. */
  #probe(region: string, local: Local, env: Env, context: ExecutionContext): Promise<boolean> {
    const since = Date.now() - local.probedAt
    if (local.probing !== undefined && since < LOST_AFTER) return local.probing
    if (local.awayUntil > 0 && since < this.#config.settings.refresh) return Promise.resolve(false)
    const probing = this.#probeOnce(region, local, env, context).finally(() => {
      if (local.probing === probing) local.probing = undefined
    })
    local.probing = probing
    context.waitUntil(probing)
    return probing
  }

  async #probeOnce(
    region: string,
    local: Local,
    env: Env,
    context: ExecutionContext,
  ): Promise<boolean> {
    local.probedAt = Date.now()
    const ok = (await this.#measured.probe(region)) >= 0
    if (!ok) {
      if (local.awayUntil === 0) this.#leave(local, 1)
      context.waitUntil(
        within(this.#config.settings.probeTimeout, healthObject(env).report(region)).catch(
          () => undefined,
        ),
      )
    } else if (local.awayUntil > 0 && Date.now() >= local.awayUntil) {
      Object.assign(local, { awayUntil: 0, failures: 0, broken: 0 })
      this.#orders.clear()
    }
    return ok
  }

  #leave(local: Local, until: number): void {
    local.awayUntil = until
    this.#orders.clear()
  }
}

/** The Durable Object: one for the whole service. */
export function healthObject(env: Env): DurableObjectStub<HealthObject> {
  return env.HEALTH.get(env.HEALTH.idFromName('global'))
}

/** Stores an operator's decision and forgets what this data centre has cached. */
export async function changeControls(
  env: Env,
  view: HealthView,
  change: ControlChange,
): Promise<HealthState> {
  const state = await healthObject(env).change(change)
  await caches.default.delete(CACHE_KEY)
  view.adopt(state, Date.now())
  return state
}

function cacheable(state: HealthState, refresh: number): Response {
  const seconds = Math.max(1, Math.round(refresh / 1000))
  return Response.json(state, { headers: { 'cache-control': `max-age=${seconds.toString()}` } })
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = scheduler.wait(ms).then(() => {
    throw new Error(`no answer in ${ms.toString()} ms`)
  })
  return Promise.race([promise, late])
}
