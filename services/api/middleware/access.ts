import type { MiddlewareHandler } from 'hono'
import { checkEdgeProof } from '../../runtime/edge-proof.ts'
import { addressOf } from '../../runtime/people/address.ts'
import type { Scope } from '../../runtime/people/identity.ts'
import { Problem } from '../../runtime/problem.ts'
import type { RedisClient } from '../../runtime/redis.ts'
import type { ApiContext, Env, Services } from '../context.ts'
import { isNavigation } from '../web/navigation.ts'
import { TenantLimiter } from './tenant-limiter.ts'

/** Requests must have come through the edge, which signs each of them. */
export function edgeProof(secret: string | undefined): MiddlewareHandler<Env> {
  return async (context, next) => {
    if (secret !== undefined) {
      const url = new URL(context.req.url)
      const request = {
        method: context.req.method,
        host: context.req.header('host') ?? '',
        path: url.pathname + url.search,
        requestID: context.req.header('x-request-id') ?? '',
      }
      if (!checkEdgeProof(secret, request, context.req.header('x-opencode-edge'))) {
        throw new Problem(403, 'requests must come through the edge: use the public host name', {
          type: 'not-through-edge',
        })
      }
    }
    await next()
  }
}

/** Who asks; 401 for those who cannot say, the page for signing in where a person's browser asks for a page. */
export function authenticate(services: Services): MiddlewareHandler<Env> {
  return async (context, next) => {
    const { method } = context.req
    const header = (name: string) => context.req.header(name)
    let identity
    try {
      identity = await services.people.identify({ method, header })
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error
      const hasToken = header('authorization') !== undefined
      if (hasToken) await noteRefusal(services, context, 'token')
      if (!hasToken && services.config.webRoot !== undefined && isNavigation(context))
        return context.redirect('/sign-in')
      // A browser would ask for a password in a window of its own.
      if (header('sec-fetch-site') === 'same-origin') delete error.headers['www-authenticate']
      throw error
    }
    const scope = scopeOf(context)
    if (!identity.scopes.includes(scope))
      throw new Problem(403, `this token may not do that: make one with the scope "${scope}"`, {
        type: 'scope',
      })
    context.set('identity', identity)
    context.set('log', context.get('log').child({ tenant: identity.tenant }))
    await next()
  }
}

/** Where a request comes from. */
export function addressOfRequest({ config }: Services, context: ApiContext): string {
  const peer = context.env.incoming.socket.remoteAddress
  return addressOf((name) => context.req.header(name), peer, config.trustedProxies)
}

/** Counts and writes down a refused sign-in. @returns the refusal for who has had too many a minute */
export async function noteRefusal(
  services: Services,
  context: ApiContext,
  object: string,
): Promise<Problem | undefined> {
  services.metrics.signIns.inc({ outcome: 'refused' })
  const address = addressOfRequest(services, context)
  return services.refusals.note({ address, object, requestID: context.get('requestID') })
}

/** What a request needs: commands without a model are more than writing. */
function scopeOf(context: ApiContext): Scope {
  const { method, path } = context.req
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return 'read'
  return /^\/(session\/[^/]+\/shell|pty)\b/.test(path) ? 'shell' : 'write'
}

/**
 * So many requests a minute for each tenant, as {@link TenantLimiter} counts them.
 * @param perMinute - 0 turns the limit off.
 */
export function rateLimit(redis: RedisClient, perMinute: number): MiddlewareHandler<Env> {
  const limiter = new TenantLimiter(redis, perMinute)
  return async (context, next) => {
    if (perMinute > 0) {
      try {
        await limiter.consume(context.get('identity').tenant)
      } catch (refused) {
        if (refused instanceof Error) throw refused
        const wait = Math.ceil((refused as { msBeforeNext: number }).msBeforeNext / 1000)
        throw new Problem(
          429,
          `your tenant has made more than ${perMinute.toString()} requests in a minute; wait ${wait.toString()} s`,
          { type: 'rate-limit', headers: { 'retry-after': wait.toString() } },
        )
      }
    }
    await next()
  }
}
