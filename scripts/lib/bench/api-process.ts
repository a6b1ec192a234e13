import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { jwtSecret, type Stores } from '../../../test/services/support/api.ts'
import { freePort } from '../../../test/services/support/free-port.ts'
import { ServerProcess } from '../../../test/services/support/process.ts'

const root = resolve(import.meta.dirname, '../../..')
const loader = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href

/** Signs the tokens of turns; the bench makes some itself. */
export const turnTokenSecret = 'a secret for turn tokens in benches'

/** Asks for a garbage collection, so that memory is compared and not garbage. Not SIGUSR2: close-with-grace ends the API on it. */
const collect = 'SIGWINCH'
const collector = `data:text/javascript,${encodeURIComponent(`process.on('${collect}', () => { globalThis.gc(); globalThis.gc() })`)}`

/** An API in a process of its own. */
export interface ApiProcess {
  readonly url: string
  /** Resident memory after a garbage collection, bytes. */
  memory(): Promise<number>
  stop(): Promise<void>
}

/** Starts the API as its container does, with its settings in the environment. */
export async function startApiProcess(
  stores: Stores,
  env: Record<string, string> = {},
): Promise<ApiProcess> {
  const [port, metricsPort] = await Promise.all([freePort(), freePort()])
  const server = new ServerProcess(
    process.execPath,
    ['--expose-gc', '--import', loader, '--import', collector, join(root, 'services/api/main.ts')],
    {
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'production',
        PORT: port.toString(),
        METRICS_PORT: metricsPort.toString(),
        DATABASE_URL: stores.postgres.primary.url,
        REDIS_URL: stores.redis.url,
        JWT_SECRET: jwtSecret,
        TURN_TOKEN_SECRET: turnTokenSecret,
        TENANT_RATE_LIMIT: '0',
        TENANT_CONCURRENT_TURNS: '1000',
        DRAIN_SECONDS: '1',
        LOG_LEVEL: 'warn',
        ...env,
      },
    },
  )
  const url = `http://127.0.0.1:${port.toString()}`
  await server.start(
    () =>
      fetch(`${url}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    60_000,
  )
  const memory = async (): Promise<number> => {
    server.signal(collect)
    await new Promise((done) => setTimeout(done, 2_000))
    const status = readFileSync(`/proc/${String(server.pid)}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
  }
  return { url, memory, stop: () => server.stop() }
}
