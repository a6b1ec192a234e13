import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { loadLlmConfig } from '../runtime/llm-config.ts'
import { createLogger } from '../runtime/logger.ts'
import { connectRedis, connectSubscriber, keyPrefix, PubSub } from '../runtime/redis.ts'
import { startTracing } from '../runtime/tracing.ts'
import { Commands } from './commands.ts'
import { Heartbeats } from './heartbeats.ts'
import { Metrics } from './metrics.ts'
import { RelayTarget } from './relay.ts'
import { workerSettings } from './settings.ts'
import { TurnWorker } from './worker.ts'

/** Turns that were given up, newest first; people read it, nothing takes from it. */
const DEAD_LETTERS = `${keyPrefix}:dead-letters`
const DEAD_LETTERS_KEPT = 1_000

async function main(): Promise<void> {
  const settings = workerSettings(process.env)
  const log = createLogger('worker', { region: settings.region }).child({ worker: settings.name })
  const stopTracing = startTracing('opencode-worker')
  const metrics = new Metrics()
  const llm = loadLlmConfig(settings.llmConfig)
  const connect = () => connectRedis(settings.redisURL, settings.redisMode)
  const queue = connect()
  const publisher = connect()
  const subscriber = connectSubscriber(settings.redisURL)
  for (const redis of [queue, publisher, subscriber])
    redis.on('error', (error: Error) => {
      log.warn({ error: error.message }, 'redis')
    })
  const heartbeats = new Heartbeats(settings.apiURL, (error) => {
    log.warn({ error: String(error) }, 'the API does not take heartbeats')
  })
  const worker = new TurnWorker({
    name: settings.name,
    apiURL: settings.apiURL,
    llm,
    connection: queue,
    heartbeats,
    relay: new RelayTarget(settings.apiURL, llm.limits),
    turns: settings.turns,
    sandboxSilence: settings.sandboxSilenceSeconds * 1000,
    commands: new Commands(new PubSub(publisher, subscriber)),
    metrics,
    log,
    maxAttempts: settings.maxAttempts,
    addDeadLetter: async (entry) => {
      await publisher.lpush(DEAD_LETTERS, entry)
      await publisher.ltrim(DEAD_LETTERS, 0, DEAD_LETTERS_KEPT - 1)
    },
  })

  let draining = false
  const health = new Hono()
  health.get('/health/live', (context) => context.json({ status: 'ok' }))
  health.get('/health/ready', (context) => {
    const checks = {
      redis: publisher.status === 'ready',
      queue: worker.isRunning,
    }
    const ready = !draining && Object.values(checks).every(Boolean)
    return context.json(
      { status: ready ? 'ok' : 'unavailable', draining, checks },
      ready ? 200 : 503,
    )
  })
  health.get('/metrics', async (context) =>
    context.text(await metrics.registry.metrics(), 200, {
      'content-type': metrics.registry.contentType,
    }),
  )
  const server = serve({ fetch: health.fetch, port: settings.metricsPort })

  const leave = async (signal: string): Promise<void> => {
    if (draining) return
    draining = true
    metrics.draining()
    log.info({ signal, drainSeconds: settings.drainSeconds }, 'draining')
    await worker.drain(settings.drainSeconds * 1000).catch((error: unknown) => {
      log.error({ error: String(error) }, 'drain')
    })
    heartbeats.close()
    server.close()
    for (const redis of [queue, publisher, subscriber]) redis.disconnect()
    await stopTracing()
    log.info('drained')
    process.exit(0)
  }
  process.on('SIGTERM', (signal) => {
    void leave(signal)
  })
  process.on('SIGINT', (signal) => {
    void leave(signal)
  })

  worker.start()
  log.info('taking turns')
}

await main()
