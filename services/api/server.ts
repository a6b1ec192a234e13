import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import type { ApiConfig } from '../runtime/config.ts'
import { createDatabase, type Database, type DatabaseConfig } from '../runtime/database/index.ts'
import type { LlmConfig } from '../runtime/llm-config.ts'
import { errorFields, type Logger } from '../runtime/logger.ts'
import { createMetrics, serveMetrics } from '../runtime/metrics.ts'
import { People } from '../runtime/people/people.ts'
import { Refusals } from '../runtime/people/refusals.ts'
import { connectRedis, connectSubscriber, PubSub } from '../runtime/redis.ts'
import { createApp } from './app.ts'
import type { Services } from './context.ts'
import { Feeds, publish } from './events/feed.ts'
import { Positions } from './events/positions.ts'
import { EventStreams } from './events/streams.ts'
import { refreshGauges } from './gauges.ts'
import { Bodies } from './middleware/bodies.ts'
import { inClusterAccess, KubernetesPods } from './sandboxes/kubernetes.ts'
import { SandboxLeader } from './sandboxes/leader.ts'
import type { SandboxPods } from './sandboxes/pods.ts'
import { SandboxService } from './sandboxes/service.ts'
import { Tickets } from './sandboxes/ticket.ts'
import { Requests } from './store/requests.ts'
import { Sandboxes } from './store/sandboxes.ts'
import { Sessions } from './store/sessions.ts'
import { Turns } from './store/turns.ts'
import { Workspaces } from './store/workspaces.ts'
import { TurnCommands } from './turns/commands.ts'
import { TurnQueue } from './turns/queue.ts'
import { Reaper } from './turns/reaper.ts'
import { TurnService } from './turns/service.ts'
import { TurnTokens } from './turns/token.ts'
import { TurnWaiter } from './turns/waiter.ts'
import { TurnWork } from './turns/work.ts'

/** What {@link startApi} needs. */
export interface ApiOptions {
  config: ApiConfig
  database: DatabaseConfig
  llm: LlmConfig
  logger: Logger
  /** Where sandboxes come from, in place of the configuration's namespace. */
  pods?: SandboxPods | undefined
}

/** A running API. */
export interface Api {
  readonly port: number
  readonly metricsPort: number
  readonly services: Services
  readonly reaper: Reaper
  /** Absent where there are no sandboxes. */
  readonly leader: SandboxLeader | undefined
  /** Readiness off, streams ended with a word, requests under way waited for until `deadline`, then everything closed. */
  drain(deadline: number): Promise<void>
}

/** Connects to the stores and listens. Stores that are not there yet only keep it unready. */
export async function startApi({
  config,
  database: databaseConfig,
  llm,
  logger,
  pods = podsOf(config),
}: ApiOptions): Promise<Api> {
  const metrics = createMetrics()
  const warn = (what: string) => (error: unknown) => {
    logger.warn({ what, error: errorFields(error).error }, 'a store does not answer')
  }
  const database = openDatabase(databaseConfig, logger)
  // A publisher that fails at once: what Redis does not take is read from PostgreSQL.
  const queueRedis = connectRedis(config.redisURL, config.redisMode)
  const subscriber = connectSubscriber(config.redisURL)
  const publisher = connectRedis(config.redisURL, config.redisMode, { wait: false })
  for (const redis of [queueRedis, subscriber, publisher])
    redis.on('error', (error: Error) => {
      warn('redis')(error)
    })
  const pubsub = new PubSub(publisher, subscriber, warn('message'))
  const store = new Turns(database)
  const queue = new TurnQueue(queueRedis, warn('queue'))
  const tokens = new TurnTokens(config.turnTokenSecret)
  const commands = new TurnCommands(pubsub)
  const waiter = new TurnWaiter(pubsub)
  const tell: Services['publish'] = (tenant, items) =>
    publish(pubsub, tenant, items).catch(warn('publish'))
  const turns = new TurnService({
    database,
    store,
    model: llm.model,
    queue,
    tokens,
    commands,
    waiter,
    logger,
    publish: tell,
    concurrentTurns: config.tenantConcurrentTurns,
    turnSeconds: config.turnSeconds,
  })
  const workspaces = new Workspaces(database, store, config.workspaceLimits)
  const feeds = new Feeds(
    database,
    pubsub,
    new Positions(publisher, warn('positions')),
    warn('events'),
  )
  const streams = new EventStreams({ database, feeds, metrics, logger })
  const { auth, signInIdleSeconds: idleSeconds } = config
  const people = new People({ auth, database, idleSeconds, warn: warn('people') })
  people.standing.listen((isOut) => {
    streams.endWhere(isOut)
  })
  const { ticketPrivateKey } = config.sandboxes
  const sandboxOptions = {
    store: new Sandboxes(database),
    limits: config.sandboxes,
    metrics,
    logger,
  }
  const sandboxes = new SandboxService({
    ...sandboxOptions,
    pods,
    tickets: ticketPrivateKey === undefined ? undefined : new Tickets(ticketPrivateKey),
  })
  let draining = false
  const services: Services = {
    config,
    bodies: new Bodies(config),
    people,
    refusals: new Refusals(database),
    llm,
    database,
    logger,
    metrics,
    sessions: new Sessions(database),
    requests: new Requests(database),
    turns,
    workspaces,
    queue,
    tokens,
    waiter,
    feeds,
    streams,
    work: new TurnWork(database, store),
    sandboxes,
    publish: tell,
    draining: () => draining,
  }
  const reaper = new Reaper({
    store,
    queue,
    turns,
    waiter,
    workspaces,
    publish: tell,
    metrics,
    logger,
    silenceSeconds: config.turnSilenceSeconds,
  })
  const leader = pods && new SandboxLeader({ ...sandboxOptions, pods })
  const { app, close } = createApp(services, publisher)
  const server = serverOf(app.fetch, config)
  const port = await listen(server, config.port)
  const metricsServer = await serveMetrics(metrics.registry, config.metricsPort, () =>
    refreshGauges(services),
  )
  metrics.draining.set(0)
  logger.info({ port, metricsPort: metricsServer.port }, 'listening')

  const drain = async (deadline: number): Promise<void> => {
    draining = true
    metrics.draining.set(1)
    streams.shutdown()
    await lastRequests(server, deadline)
    streams.destroy()
    server.closeAllConnections()
    feeds.close()
    people.close()
    await Promise.all([reaper.close(), leader?.close()])
    await Promise.allSettled([queue.close(), close(), metricsServer.close()])
    for (const redis of [queueRedis, subscriber, publisher]) redis.disconnect()
    await database.close().catch(() => undefined)
  }
  return { port, metricsPort: metricsServer.port, services, reaper, leader, drain }
}

/** Takes no connection any more and waits for the requests under way, until `deadline` at most. */
async function lastRequests(server: ReturnType<typeof serverOf>, deadline: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
  })
  const idle = setInterval(() => {
    server.closeIdleConnections()
  }, 100)
  const late = sleep(Math.max(0, deadline - Date.now()), undefined, { ref: false })
  await Promise.race([closed, late])
  clearInterval(idle)
}

function podsOf({ sandboxes }: ApiConfig): SandboxPods | undefined {
  const { namespace } = sandboxes
  return namespace === undefined
    ? undefined
    : new KubernetesPods({ ...sandboxes, namespace }, inClusterAccess())
}

/** The database, with a line in the log for what happens to its servers. */
function openDatabase(config: DatabaseConfig, logger: Logger): Database {
  return createDatabase({
    ...config,
    observer: {
      replica: (change) => {
        logger.info(change, 'a replica changed')
      },
      connectionError: ({ pool, error }) => {
        logger.warn({ pool, error: error.message }, 'a database connection broke')
      },
    },
  })
}

/** A server with time limits for its clients; a turn's answer may take an hour. */
function serverOf(
  fetch: Parameters<typeof createAdaptorServer>[0]['fetch'],
  { bodySeconds, keepAliveSeconds }: ApiConfig,
): Server {
  const serverOptions = { connectionsCheckingInterval: 5_000 }
  const server = createAdaptorServer({ fetch, serverOptions }) as Server
  return Object.assign(server, {
    requestTimeout: bodySeconds * 1_000,
    headersTimeout: Math.min(30, bodySeconds) * 1_000,
    keepAliveTimeout: keepAliveSeconds * 1_000,
  })
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}
