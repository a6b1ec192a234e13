import { Hono, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { errorFields } from '../runtime/logger.ts'
import { Problem } from '../runtime/problem.ts'
import type { RedisClient } from '../runtime/redis.ts'
import type { ApiContext, Env, Services } from './context.ts'
import { internalRoutes } from './internal/routes.ts'
import { createLlmProxy, type LlmCaller } from './llm/proxy.ts'
import { authenticate, edgeProof, rateLimit } from './middleware/access.ts'
import { tellRefusals } from './middleware/refusals.ts'
import { observe, problemOf } from './middleware/request.ts'
import { eventRoutes } from './routes/event.ts'
import { healthRoutes } from './routes/health.ts'
import { messageRoutes } from './routes/message.ts'
import { requestRoutes } from './routes/requests.ts'
import { sessionRoutes } from './routes/session.ts'
import { signInRoutes } from './routes/sign-in.ts'
import { staticRoutes } from './routes/static.ts'
import { unsupportedRoutes } from './routes/unsupported.ts'
import { workspaceRoutes } from './routes/workspace.ts'
import { recordUsage } from './store/usage.ts'
import { isNavigation } from './web/navigation.ts'
import { serveFiles, WebInterface } from './web/interface.ts'
import { interfaceRoutes } from './web/routes.ts'

/** Puts the routes together. Order matters: health and internal paths need no client credentials. */
export function createApp(
  services: Services,
  redis: RedisClient,
): { app: Hono<Env>; close(): Promise<void> } {
  const { config } = services
  const app = new Hono<Env>()
  app.onError((error, context) => problemOf(error, context as ApiContext))
  const web = config.webRoot === undefined ? undefined : new WebInterface(config.webRoot)
  app.notFound((context) =>
    web !== undefined && isNavigation(context as ApiContext)
      ? web.page(context as ApiContext)
      : new Problem(
          404,
          `there is no ${context.req.method} ${context.req.path.slice(0, 200)}`,
        ).toResponse(context.get('requestID')),
  )
  app.use('*', observe(services))
  app.route('/', healthRoutes(services))
  // The interface's files are public: they are the same for everybody and need no credentials.
  if (web !== undefined) app.get('*', edgeProof(config.edgeSecret), serveFiles(web))

  const { bodies } = services
  const llm = llmProxy(services)
  app.route('/internal', internalRoutes(services))
  app.use('/internal/llm/*', async (context, next) => {
    const claims = await services.tokens.verify(
      context.req.header('authorization') ?? bearer(context.req.header('x-api-key')),
    )
    await services.turns.checkToken(claims)
    context.set('identity', { tenant: claims.tenant, user: 'worker', scopes: [] })
    callers.set(context.req.raw, {
      tenant: claims.tenant,
      turnID: claims.turn,
      sessionID: claims.session,
    })
    await services.database.as(claims.tenant, next)
  })
  app.use('/internal/llm/*', bodies.ofWorkers())
  app.route('/internal/llm', llm)
  app.all('/internal/*', (context) => context.notFound())

  app.use('*', edgeProof(config.edgeSecret))
  if (config.corsOrigins.length > 0) app.use('*', crossOrigin(config.corsOrigins))
  app.route('/', signInRoutes(services))
  // Nobody's body is read before it is known whose it is.
  app.use(
    '*',
    authenticate(services),
    tellRefusals(services),
    rateLimit(redis, config.tenantRateLimit),
    bodies.ofClients(),
  )
  app.use('*', (context, next) => services.database.as(context.get('identity').tenant, next))
  for (const routes of [
    sessionRoutes,
    messageRoutes,
    requestRoutes,
    workspaceRoutes,
    eventRoutes,
    staticRoutes,
    interfaceRoutes,
  ])
    app.route('/', routes(services))
  app.route('/', unsupportedRoutes())
  return { app, close: () => llm.close() }
}

/** Response headers that pages of other origins may read. */
const exposed = ['Link', 'X-Next-Cursor', 'X-Request-Id', 'Retry-After']

/** Lets pages of these origins call the API; preflights carry no credentials and need none. */
function crossOrigin(origins: readonly string[]): MiddlewareHandler<Env> {
  const answer = cors({ origin: [...origins], exposeHeaders: exposed, maxAge: 600 })
  return (context, next) => {
    const { method, path } = context.req
    if (method === 'GET' && (path === '/event' || path === '/global/event')) {
      // The adapter knows its marker for a stream only untouched, so no header may be set on it.
      const origin = context.req.header('origin') ?? ''
      const allowed = {
        'access-control-allow-origin': origin,
        'access-control-expose-headers': exposed.join(','),
      }
      context.set('streamHeaders', {
        vary: 'Origin',
        ...(origins.includes(origin) ? allowed : {}),
      })
      return next()
    }
    return answer(context, async () => {
      // Also where the origin is not allowed: a cache must not give that answer to one that is.
      context.res.headers.set('vary', 'Origin')
      await next()
    })
  }
}

/** Callers of model requests, by request. */
const callers = new WeakMap<Request, LlmCaller>()

function bearer(key: string | undefined): string | undefined {
  return key === undefined ? undefined : `Bearer ${key}`
}

function llmProxy({ llm, database, metrics, logger }: Services) {
  return createLlmProxy({
    config: llm,
    caller: (context) => {
      const caller = callers.get(context.req.raw)
      if (caller === undefined) throw new Problem(401, "send the turn's token")
      return caller
    },
    record: (usage) => recordUsage(database, usage),
    metrics: {
      tokens: (provider, model, type, count) => {
        metrics.llmTokens.inc({ provider, model, type }, count)
      },
      duration: (provider, model, seconds) => {
        metrics.llmDuration.observe({ provider, model }, seconds)
      },
      error: (provider, reason) => {
        metrics.llmErrors.inc({ provider, reason })
      },
    },
    onError: (error, where) => {
      logger.error({ where, ...errorFields(error) }, 'model usage was not recorded')
    },
  })
}
