/** Name of a region. One Helm release serves one region. */
export type RegionName = 'us' | 'eu' | 'apac'

/** ISO continent codes as Cloudflare reports them in `request.cf.continent`. */
export type ContinentCode = 'AF' | 'AN' | 'AS' | 'EU' | 'NA' | 'OC' | 'SA'

/** One region of the service: the row that the chart's values, the edge and the Argo CD objects are all made from. */
export interface Region {
  readonly name: RegionName
  /** Name shown to people. */
  readonly title: string
  /** Public host of the region's API. */
  readonly apiHost: string
  /** Public host of the region's event streams (SSE). */
  readonly eventsHost: string
  /** Continents whose clients prefer this region. */
  readonly continents: readonly ContinentCode[]
  /** Countries (ISO 3166-1 alpha-2) that prefer this region whatever their continent. */
  readonly countries: readonly string[]
  /** Regions to try next, best first, when this one is unhealthy. */
  readonly fallbacks: readonly RegionName[]
}

/** Host names that every region answers to, behind the edge. */
export const globalHosts = { api: 'api.opencode.io', events: 'events.opencode.io' } as const

/** The region of a client whose location is unknown, and the first primary of the database. */
export const defaultRegion: RegionName = 'us'

/** The region table: host names and locations exist here and nowhere else. */
export const regions: Readonly<Record<RegionName, Region>> = {
  us: {
    name: 'us',
    title: 'United States',
    apiHost: 'us.api.opencode.io',
    eventsHost: 'us.events.opencode.io',
    continents: ['NA', 'SA'],
    countries: [],
    fallbacks: ['eu', 'apac'],
  },
  eu: {
    name: 'eu',
    title: 'Europe',
    apiHost: 'eu.api.opencode.io',
    eventsHost: 'eu.events.opencode.io',
    continents: ['EU', 'AF'],
    countries: ['TR', 'IL', 'AE', 'SA'],
    fallbacks: ['us', 'apac'],
  },
  apac: {
    name: 'apac',
    title: 'Asia Pacific',
    apiHost: 'apac.api.opencode.io',
    eventsHost: 'apac.events.opencode.io',
    continents: ['AS', 'OC', 'AN'],
    countries: [],
    fallbacks: ['us', 'eu'],
  },
}
