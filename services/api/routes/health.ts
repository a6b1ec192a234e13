import { Hono } from 'hono'
import type { Env, Services } from '../context.ts'
import { schemaVersion } from '../migrations/index.ts'

/** Longest wait for one dependency, ms; below the probe's own limit of 3 s. */
const DEADLINE = 2_000

/** Health endpoints; they need no credentials and say no more than what is up. */
export function healthRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/health/live', (context) => context.json({ status: 'ok' }))
  const looks = {
    database: forSecond(() => check(() => schemaIsThere(services))),
    redis: forSecond(() => check(() => services.queue.ping())),
  }
  // Without Redis turns wait, but what is stored can be read and written: a pod stays in its Service, and the edge, which asks
  // `/health`, looks for a region that can do both.
  const needed = { '/health/ready': ['database'], '/health': ['database', 'redis'] } as const
  for (const [path, names] of Object.entries(needed)) {
    app.get(path, async (context) => {
      const results = await Promise.all(names.map((name) => looks[name]()))
      const checks = Object.fromEntries(names.map((name, index) => [name, results[index]]))
      const draining = services.draining()
      const ok = !draining && results.every((result) => result === 'ok')
      if (draining) context.header('x-opencode-draining', '1')
      context.header('cache-control', 'no-store')
      return context.json(
        {
          status: ok ? 'ok' : draining ? 'draining' : 'unavailable',
          region: services.config.region,
          checks,
        },
        ok ? 200 : 503,
      )
    })
  }
  return app
}

/** One look for all who ask within a second, so that a loop of requests is no load on the stores. */
function forSecond(look: () => Promise<string>): () => Promise<string> {
  let last: { result: Promise<string>; until: number } | undefined
  return () => {
    if (last === undefined || performance.now() > last.until) {
      const result = look()
      const entry = { result, until: Infinity }
      last = entry
      void result.then(() => (entry.until = performance.now() + 1_000))
    }
    return last.result
  }
}

async function schemaIsThere({ database }: Services): Promise<void> {
  const { rows } = await database.query<{ there: string | null }>(
    `SELECT to_regclass('schema_migrations')::text AS there`,
    [],
    { read: 'primary' },
  )
  if (rows[0]?.there == null) throw new Error('the schema is not there yet')
  const { rows: versions } = await database.query<{ version: number | null }>(
    'SELECT max(version) AS version FROM schema_migrations',
    [],
    { read: 'primary' },
  )
  if ((versions[0]?.version ?? 0) < schemaVersion)
    throw new Error(`the schema is older than version ${schemaVersion.toString()}`)
}

async function check(look: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => {
      resolve('no answer in time')
    }, DEADLINE)
  })
  try {
    // A client that is not logged in is told no addresses: only our own messages are passed on.
    return await Promise.race([
      look().then(
        () => 'ok',
        (error: unknown) => {
          return error instanceof Error && error.message.startsWith('the schema')
            ? error.message
            : 'unavailable'
        },
      ),
      late,
    ])
  } finally {
    clearTimeout(timer)
  }
}
