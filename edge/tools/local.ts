// Runs the Worker in workerd on this machine, for tests, the drill and the benchmark. Node only.
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import type { EdgeSettings } from '../src/config.ts'
import { compatibilityDate, edgeVariable } from './wrangler.ts'

/** How to run the edge locally. */
export interface LocalEdgeOptions {
  /** Origin of each region, e.g. `{us: 'http://127.0.0.1:4001'}`: serves both API and events. */
  readonly origins: Readonly<Record<string, string>>
  readonly settings?: Partial<EdgeSettings>
  /** Folder of the Durable Object's storage; absent: kept in memory. */
  readonly persist?: string
  /** The Worker's file, from the folder `edge`. @default src/worker.ts */
  readonly entry?: string
}

/** The secrets of a local edge. */
export const localSecrets = {
  EDGE_SECRET: 'local-edge-secret',
  AFFINITY_SECRET: 'local-affinity-secret',
  OPERATOR_TOKEN: 'local-operator-token',
}

/** A running local edge. */
export interface LocalEdge {
  /** Where it listens, without a trailing slash. */
  readonly url: string
  /** The Worker itself, without the location and the conveniences that Miniflare adds. */
  readonly directUrl: string
  readonly miniflare: Miniflare
  stop(): Promise<void>
}

/** Bundles the Worker and starts it on a free loopback port. */
export async function startLocalEdge({
  origins,
  settings = {},
  persist,
  entry = 'src/worker.ts',
}: LocalEdgeOptions): Promise<LocalEdge> {
  const {
    outputFiles: [bundle],
  } = await build({
    entryPoints: [`${import.meta.dirname}/../${entry}`],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    external: ['cloudflare:*'],
  })
  if (bundle === undefined) throw new Error('esbuild made no bundle')
  const table = edgeVariable()
  const regions = Object.fromEntries(
    Object.entries(table.regions).map(([name, region]) => {
      const origin = origins[name]
      if (origin === undefined) throw new Error(`no origin for region "${name}"`)
      return [name, { ...region, api: origin, events: origin }]
    }),
  )
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.mjs', contents: bundle.text }],
    compatibilityDate,
    bindings: { EDGE: { ...table, regions, settings } as never, ...localSecrets },
    durableObjects: { HEALTH: { className: 'HealthObject', useSQLite: true } },
    host: '127.0.0.1',
    port: 0,
    cf: false,
    // Past Miniflare's own entry, whose work would hide what the Worker costs.
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    ...(persist === undefined ? {} : { durableObjectsPersist: persist }),
  })
  const url = await miniflare.ready
  const direct = await miniflare.unsafeGetDirectURL()
  return { url: url.origin, directUrl: direct.origin, miniflare, stop: () => miniflare.dispose() }
}
