import { DurableObject } from 'cloudflare:workers'
import { readConfig } from './config.ts'
import type { EdgeConfig, EdgeVariable } from './config.ts'
import { applyChange, noControls } from './health-state.ts'
import type { ControlChange, Controls, HealthState } from './health-state.ts'
import { RegionManager } from './region-manager.ts'

const KEY = 'state'

/** What the object reads of the Worker's environment. */
interface HealthEnv {
  readonly EDGE: EdgeVariable
}

/**
 * The one place that decides on the regions' health. Its alarm probes each region; what it knows is stored after every round, so
 * a restart forgets nothing.
 */
export class HealthObject extends DurableObject<HealthEnv> {
  readonly #config: EdgeConfig
  readonly #manager: RegionManager
  #controls: Controls = noControls
  #checkedAt = 0
  /** Regions whose failure report is being checked. */
  readonly #checking = new Set<string>()

  constructor(context: DurableObjectState, env: HealthEnv) {
    super(context, env)
    this.#config = readConfig(env.EDGE)
    const { regions, defaultRegion, settings } = this.#config
    const origins = Object.fromEntries(
      Object.entries(regions).map(([name, { api }]) => [name, api]),
    )
    this.#manager = new RegionManager({ origins, defaultRegion, timeout: settings.probeTimeout })
    void context.blockConcurrencyWhile(async () => {
      const stored = await context.storage.get<HealthState>(KEY)
      if (stored !== undefined) {
        this.#manager.restore(stored.regions)
        this.#controls = stored.controls
        this.#checkedAt = stored.checkedAt
      }
      await this.#arm()
    })
  }

  /** The state now. Also starts the alarm again if it was lost. */
  async state(): Promise<HealthState> {
    await this.#arm()
    return this.#state()
  }

  /** Live traffic failed: counts as a failed check, and the region is probed at once. One report at a time for each region counts. */
  async report(region: string): Promise<void> {
    if (!Object.hasOwn(this.#config.regions, region) || this.#checking.has(region)) return
    this.#checking.add(region)
    try {
      this.#manager.reportFailure(region)
      await this.#manager.checkHealth(region)
      await this.#save()
    } finally {
      this.#checking.delete(region)
    }
  }

  /** Stores an operator's decision. */
  async change(change: ControlChange): Promise<HealthState> {
    this.#controls = applyChange(this.#controls, change)
    await this.#save()
    return this.#state()
  }

  override async alarm(): Promise<void> {
    // Armed first: a round that throws must not be the last one.
    await this.ctx.storage.setAlarm(Date.now() + this.#config.settings.probeInterval)
    await Promise.all(
      Object.keys(this.#config.regions).map((region) => this.#manager.checkHealth(region)),
    )
    this.#checkedAt = Date.now()
    await this.#save()
  }

  async #arm(): Promise<void> {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now())
  }

  #state(): HealthState {
    return { checkedAt: this.#checkedAt, regions: this.#manager.toJSON(), controls: this.#controls }
  }

  async #save(): Promise<void> {
    await this.ctx.storage.put(KEY, this.#state())
  }
}
