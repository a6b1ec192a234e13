import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { jwtSecret, turnTokenSecret, type Stores } from './api.ts'
import { freePort } from './free-port.ts'
import { answers, ServerProcess } from './process.ts'

const root = resolve(import.meta.dirname, '../../..')

/** An API in a process of its own, as in its container. */
export interface ApiProcess {
  readonly url: string
  readonly process: ServerProcess
}

/** Starts one; it is ready when this returns. */
export async function startApiProcess(
  stores: Stores,
  env: Record<string, string> = {},
): Promise<ApiProcess> {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port.toString()}`
  const loader = pathToFileURL(join(root, 'node_modules/tsx/dist/loader.mjs')).href
  const server = new ServerProcess(
    process.execPath,
    ['--import', loader, join(root, 'services/api/main.ts')],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        PORT: port.toString(),
        METRICS_PORT: metricsPort.toString(),
        REDIS_URL: stores.redis.url,
        DATABASE_URL: stores.postgres.primary.url,
        JWT_SECRET: jwtSecret,
        TURN_TOKEN_SECRET: turnTokenSecret,
        TENANT_RATE_LIMIT: '0',
        TENANT_CONCURRENT_TURNS: '1000',
        DRAIN_SECONDS: '5',
        ...env,
      },
    },
  )
  const ready = answers(`${url}/health/ready`, 5_000)
  await server.start(ready, 120_000)
  return { url, process: server }
}
