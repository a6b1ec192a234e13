import { serviceConfig } from '../runtime/config.ts'
import { createDatabase, databaseConfigFromEnv } from '../runtime/database/index.ts'
import { createLogger, errorFields } from '../runtime/logger.ts'
import { createMetrics, serveMetrics, setAll } from '../runtime/metrics.ts'
import { People } from '../runtime/people/people.ts'
import { Refusals } from '../runtime/people/refusals.ts'
import { connectRedis, connectSubscriber, PubSub } from '../runtime/redis.ts'
import { onShutdown } from '../runtime/shutdown.ts'
import { startTracing } from '../runtime/tracing.ts'
import { ApiClient } from './api-client.ts'
import { EventLog } from './event-log.ts'
import { Feeds } from './feed.ts'
import { WebSocketService } from './server.ts'

async function main(): Promise<void> {
  const config = serviceConfig(process.env, 3001)
  const logger = createLogger('websocket', { level: config.logLevel, region: config.region })
  const stopTracing = startTracing('opencode-websocket')
  const metrics = createMetrics()
  const database = createDatabase({
    ...databaseConfigFromEnv(),
    observer: {
      replica: (change) => {
        logger.warn(change, 'replica')
      },
    },
  })
  const redis = connectRedis(config.redisURL, config.redisMode, { wait: false })
  const subscriber = connectSubscriber(config.redisURL)
  for (const client of [redis, subscriber])
    client.on('error', (error: Error) => {
      logger.warn({ error: error.message }, 'redis')
    })
  const log = new EventLog(database)
  const feeds = new Feeds(log, new PubSub(redis, subscriber), logger)
  const api = new ApiClient(process.env['API_URL'], config.edgeSecret)
  const people = new People({
    auth: config.auth,
    database,
    idleSeconds: config.signInIdleSeconds,
    warn: (error) => {
      logger.warn(errorFields(error), 'people')
    },
  })
  const service = new WebSocketService({
    people,
    refusals: new Refusals(database),
    trustedProxies: config.trustedProxies,
    log,
    feeds,
    api,
    metrics,
    logger,
    region: config.region,
    edgeSecret: config.edgeSecret,
    ready: async () => ({
      postgres: await within(
        2000,
        database.query('SELECT 1 AS alive').then(() => true),
      ),
      redis: await within(
        2000,
        redis.ping().then(() => true),
      ),
    }),
  })
  const { close: closeMetrics } = await serveMetrics(metrics.registry, config.metricsPort, () => {
    const { pools, replicas } = database.stats()
    setAll(
      metrics.replicaLag,
      replicas.map(({ replica, lagSeconds }) => ({ labels: { replica }, value: lagSeconds })),
    )
    setAll(
      metrics.replicaHealthy,
      replicas.map(({ replica, healthy }) => ({ labels: { replica }, value: healthy ? 1 : 0 })),
    )
    setAll(
      metrics.poolConnections,
      pools.flatMap(({ pool, total, idle, waiting }) => [
        { labels: { pool, state: 'active' }, value: total - idle },
        { labels: { pool, state: 'idle' }, value: idle },
        { labels: { pool, state: 'waiting' }, value: waiting },
      ]),
    )
    return Promise.resolve()
  })
  logger.info(
    { port: await service.listen(config.port), metricsPort: config.metricsPort },
    'listening',
  )
  onShutdown({
    drainSeconds: config.drainSeconds,
    logger,
    drain: async (deadline) => {
      await service.drain(deadline)
      await feeds.close()
      people.close()
      redis.disconnect()
      subscriber.disconnect()
      await Promise.all([api.close(), database.close(), closeMetrics(), stopTracing()])
    },
  })
}

/** `false` where it fails or takes longer. */
async function within(milliseconds: number, check: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false)
  })
  return Promise.race([check.catch(() => false), late]).finally(() => {
    clearTimeout(timer)
  })
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
