import type { EdgeConfig } from './config.ts'
import type { Controls } from './health-state.ts'

/** Regions by where a client is, best first. */
export class Geography {
  readonly #byContinent = new Map<string, readonly string[]>()
  readonly #byCountry = new Map<string, readonly string[]>()
  readonly #byRegion = new Map<string, readonly string[]>()
  readonly #default: readonly string[]

  constructor({ regions, defaultRegion }: EdgeConfig) {
    for (const [name, region] of Object.entries(regions)) {
      const order = [...new Set([name, ...region.fallbacks, ...Object.keys(regions)])]
      this.#byRegion.set(name, order)
      for (const continent of region.continents) this.#byContinent.set(continent, order)
      for (const country of region.countries) this.#byCountry.set(country, order)
    }
    this.#default = this.#byRegion.get(defaultRegion) ?? [defaultRegion]
  }

  /** All regions in order of preference for a client. An unknown or missing location gets the default region's order. */
  order(continent?: string | null, country?: string | null): readonly string[] {
    return (
      this.#byCountry.get(country ?? '') ?? this.#byContinent.get(continent ?? '') ?? this.#default
    )
  }

  /** All regions, the given one first. Undefined for a region that does not exist. */
  from(region: string): readonly string[] | undefined {
    return this.#byRegion.get(region)
  }
}

/** What {@link candidates} chooses from. */
export interface Choice {
  /** All regions in order of preference for this client. */
  readonly preferred: readonly string[]
  readonly controls: Controls
  /** Whether a region answers. */
  readonly healthy: (region: string) => boolean
  /** Picks the best of the usable regions in order of preference; the first where distance must not matter. */
  readonly best?: (usable: readonly string[]) => string
}

/**
 * The regions to try, best first. Only usable ones, unless there is none: then all of them, in order of preference, because a
 * wrong verdict must not turn every client away (fail open).
 */
export function candidates({ preferred, controls, healthy, best }: Choice): readonly string[] {
  const { pinned, promoted, drained } = controls
  const moved = preferred.map((name) => promoted[name] ?? name)
  // A region whose data moved elsewhere is the last resort: it has no primary.
  const order = [...new Set([...(pinned === null ? [] : [pinned]), ...moved, ...preferred])]
  const up = order.filter(healthy)
  const usable = up.filter((name) => name === pinned || !drained.includes(name))
  const first = pinned === null && usable.length > 0 ? best?.(usable) : undefined
  if (first !== undefined) return [first, ...usable.filter((name) => name !== first)]
  return usable.length > 0 ? usable : up.length > 0 ? up : order
}
