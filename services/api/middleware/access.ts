import type { MiddlewareHandler } from 'hono'
import type { Authenticator } from '../../runtime/auth.ts'
import { checkEdgeProof } from '../../runtime/edge-proof.ts'
import { Problem } from '../../runtime/problem.ts'
import type { RedisClient } from '../../runtime/redis.ts'
import type { Env } from '../context.ts'
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

/** Who asks; 401 for those who cannot say. */
export function authenticate(authenticator: Authenticator): MiddlewareHandler<Env> {
  return async (context, next) => {
    const identity = await authenticator.authenticate(context.req.header('authorization'))
    context.set('identity', identity)
    context.set('log', context.get('log').child({ tenant: identity.tenant }))
    await next()
  }
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
