/** One region as the edge sees it. Made from the region table by `wrangler.ts`. */
export interface EdgeRegion {
  /** Origin of the region's API, e.g. `https://us.api.example.org`, no trailing slash. */
  readonly api: string
  /** Origin of the region's event streams. */
  readonly events: string
  /** Continents (`cf.continent`) whose clients prefer this region. */
  readonly continents: readonly string[]
  /** Countries (`cf.country`) that prefer it whatever their continent. */
  readonly countries: readonly string[]
  /** Regions to try next, best first. */
  readonly fallbacks: readonly string[]
}

/** Timings and thresholds. All times in milliseconds unless the name says otherwise. */
export interface EdgeSettings {
  /** Time between two health probes of a region. @default 5000 */
  readonly probeInterval: number
  /** A probe without an answer by then has failed. @default 2000 */
  readonly probeTimeout: number
  /** How much faster than a client's own region another one must be measured to take precedence. @default 50 */
  readonly nearer: number
  /** How old the health state in an isolate's memory may get before it is refreshed in the background. @default 2000 */
  readonly refresh: number
  /** Health older than this is not believed: the edge fails open. @default 60000 */
  readonly stale: number
  /** Time to response headers of a request that can be repeated. @default 15000 */
  readonly headerTimeout: number
  /** Time to response headers of any other request: a turn answers when it is over. @default 3600000 */
  readonly turnTimeout: number
  /** Life of the affinity cookie, seconds. @default 172800 */
  readonly cookieSeconds: number
  /** Largest request body that is kept for a repeat after a draining answer, bytes. @default 65536 */
  readonly replayBytes: number
  /** Share of new traces that are marked as sampled. @default 0.1 */
  readonly traceRatio: number
}

/** The defaults of {@link EdgeSettings}. */
export const defaultSettings: EdgeSettings = Object.freeze({
  probeInterval: 5_000,
  probeTimeout: 2_000,
  nearer: 50,
  refresh: 2_000,
  stale: 60_000,
  headerTimeout: 15_000,
  turnTimeout: 3_600_000,
  cookieSeconds: 172_800,
  replayBytes: 65_536,
  traceRatio: 0.1,
})

/** What {@link readConfig} makes of the Worker's variable `EDGE`. */
export interface EdgeConfig {
  readonly defaultRegion: string
  /** Host name whose requests go to the regions' event origins; every other host goes to their API origins. */
  readonly eventsHost: string
  readonly regions: Readonly<Record<string, EdgeRegion>>
  readonly settings: EdgeSettings
}

/** The Worker's variable `EDGE`, generated from the region table. Settings left out have their defaults. */
export type EdgeVariable = Omit<EdgeConfig, 'settings'> & { settings?: Partial<EdgeSettings> }

/** A failure of the configuration that no request can survive: thrown when the isolate starts. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Completes and checks the variable `EDGE`.
 * @throws {@link ConfigError} when a region is named that does not exist
 */
export function readConfig(given: EdgeVariable): EdgeConfig {
  const { regions, defaultRegion, eventsHost } = given
  const known = (name: string, where: string): void => {
    if (!Object.hasOwn(regions, name))
      throw new ConfigError(
        `${where} names the unknown region "${name}". Known: ${Object.keys(regions).join(', ')}.`,
      )
  }
  known(defaultRegion, 'EDGE.defaultRegion')
  for (const [name, { fallbacks }] of Object.entries(regions)) {
    for (const fallback of fallbacks) known(fallback, `EDGE.regions.${name}.fallbacks`)
  }
  return Object.freeze({
    defaultRegion,
    eventsHost,
    regions,
    settings: { ...defaultSettings, ...given.settings },
  })
}
