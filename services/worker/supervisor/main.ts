import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { loadLlmConfig } from '../../runtime/llm-config.ts'
import { createLogger } from '../../runtime/logger.ts'
import {
  connectRedis,
  connectSubscriber,
  keyPrefix,
  PubSub,
  type RedisClient,
} from '../../runtime/redis.ts'
import { startTracing } from '../../runtime/tracing.ts'
import { Relay } from '../relay/relay.ts'
import { Commands } from './commands.ts'
import { EngineClient } from './engine-client.ts'
import { engineConfig } from './engine-config.ts'
import { Metrics } from './metrics.ts'
import { rehearse } from './rehearsal.ts'
import { workerSettings } from './settings.ts'
import { WarmEngine } from './warm-engine.ts'
import { TurnWorker } from './worker.ts'

/** Turns that were given up, newest first; people read it, nothing takes from it. */
const DEAD_LETTERS = `${keyPrefix}:dead-letters`
const DEAD_LETTERS_KEPT = 1_000
/** Time for Redis to say how many turns wait, ms. */
const QUEUE_ANSWER_TIME = 500

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
  const relayURL = `http://127.0.0.1:${settings.relayPort.toString()}`
  const relay = new Relay(settings.apiURL, llm.limits)
  const prepare = async (client: EngineClient): Promise<void> => {
    // Where a turn waits already it is better off with an engine at once.
    if (!settings.rehearsal || (await waitingTurns(queue)) > 0) return
    const started = performance.now()
    await rehearse(client)
      .then(() => {
        log.info({ milliseconds: Math.round(performance.now() - started) }, 'rehearsed')
      })
      .catch((error: unknown) => {
        log.warn({ error: String(error) }, 'the engine is used without a rehearsal')
      })
  }
  const engine = new WarmEngine(
    new EngineClient(settings.controlURL, settings.engineURL),
    engineConfig(llm, null, relayURL),
    (reason, count) => {
      metrics.engineFailed(reason, count)
    },
    prepare,
  )
  const worker = new TurnWorker({
    name: settings.name,
    apiURL: settings.apiURL,
    llm,
    relayURL,
    connection: queue,
    engine,
    relay,
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
  health.get('/health/ready', async (context) => {
    const checks = {
      redis: publisher.status === 'ready',
      engine: worker.isBusy || (await engine.isWarm()),
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
  const servers = [
    serve({ fetch: health.fetch, port: settings.metricsPort }),
    serve({ fetch: relay.app.fetch, port: settings.relayPort, hostname: '127.0.0.1' }),
  ]

  const leave = async (signal: string): Promise<void> => {
    if (draining) return
    draining = true
    metrics.draining()
    log.info({ signal, drainSeconds: settings.drainSeconds }, 'draining')
    await worker.drain(settings.drainSeconds * 1000).catch((error: unknown) => {
      log.error({ error: String(error) }, 'drain')
    })
    await engine.client.leave().catch(() => undefined)
    for (const server of servers) server.close()
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

  await startWhenPossible(
    () => worker.start(),
    (error) => {
      log.warn({ error: String(error) }, 'waiting for the engine runner')
    },
  )
  log.info('taking turns')
}

/** Turns that wait in the queue; 0 while Redis does not say. */
function waitingTurns(redis: RedisClient): Promise<number> {
  const unknown = new Promise<number>((resolve) => {
    setTimeout(resolve, QUEUE_ANSWER_TIME, 0)
  })
  return Promise.race([redis.llen(`${keyPrefix}:turns:wait`).catch(() => 0), unknown])
}

/** The engine's container starts beside this one, in no particular order. */
async function startWhenPossible(
  start: () => Promise<void>,
  waiting: (error: unknown) => void,
): Promise<void> {
  for (;;) {
    try {
      await start()
      return
    } catch (error) {
      waiting(error)
      await new Promise((done) => setTimeout(done, 1_000))
    }
  }
}

await main()
