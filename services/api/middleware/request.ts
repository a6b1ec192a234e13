import { randomUUID } from 'node:crypto'
import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api'
import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { isConnectionError, isDiskFull } from '../../runtime/database/index.ts'
import { errorFields } from '../../runtime/logger.ts'
import { Problem } from '../../runtime/problem.ts'
import { traceID, withRemoteTrace } from '../../runtime/tracing.ts'
import type { ApiContext, Env, Services } from '../context.ts'

/** A request's id, its trace, its numbers and its line in the log. */
export function observe({ logger, metrics, draining }: Services): MiddlewareHandler<Env> {
  return async (context, next) => {
    const requestID = idOf(context)
    context.set('requestID', requestID)
    const started = performance.now()
    const remote = {
      traceparent: context.req.header('traceparent'),
      tracestate: context.req.header('tracestate'),
    }
    await withRemoteTrace(remote, () =>
      trace
        .getTracer('opencode-api')
        .startActiveSpan(spanName(context), { kind: SpanKind.SERVER }, async (span) => {
          context.set(
            'log',
            logger.child({
              request: requestID,
              ...(traceID() === undefined ? {} : { trace: traceID() }),
            }),
          )
          await next()
          finish(context, span)
        }),
    )
    // An event stream has written its own headers already.
    if (!context.env.outgoing.headersSent) {
      context.header('x-request-id', requestID)
      // A drained process is taken out of the load balancer's list; its connections should not be used again.
      if (draining()) context.header('connection', 'close')
    }
    const path = patternOf(context)
    const seconds = (performance.now() - started) / 1000
    metrics.httpRequests.inc({
      method: context.req.method,
      path,
      status: context.res.status.toString(),
    })
    metrics.httpDuration.observe({ method: context.req.method, path }, seconds)
    if (!path.startsWith('/health')) logLine(context, path, seconds)
  }
}

/** Turns what was thrown into a problem document. What is not a problem is a fault of ours: logged, and not described to the client. */
export function problemOf(error: Error, context: ApiContext): Response {
  const requestID = context.get('requestID') as string | undefined
  if (error instanceof Problem) return error.toResponse(requestID)
  const log = context.get('log') as ApiContext['var']['log'] | undefined
  log?.[isUnavailable(error) ? 'warn' : 'error'](errorFields(error), 'the request failed')
  return described(error).toResponse(requestID)
}

/** What a client is told of an error that nothing in the service has given a meaning. */
function described(error: Error): Problem {
  if (isDiskFull(error))
    return new Problem(
      507,
      "the volume of the service's database is full; its operator has to enlarge it",
    )
  if (isUnavailable(error))
    return new Problem(503, 'a store of this service does not answer now; try again', {
      headers: { 'retry-after': '2' },
    })
  return new Problem(500, 'this is a fault of the service; quote the request id when you report it')
}

function spanName(context: ApiContext): string {
  return /\/session\/[^/]+\/(message|prompt_async|command|shell)$/.test(context.req.path) &&
    context.req.method === 'POST'
    ? 'chat.request'
    : `${context.req.method} request`
}

function finish(context: ApiContext, span: Span): void {
  const identity = context.get('identity') as ApiContext['var']['identity'] | undefined
  const sessionID = context.get('sessionID')
  span.setAttributes({
    'http.request.method': context.req.method,
    'http.route': patternOf(context),
    'http.response.status_code': context.res.status,
    ...(identity === undefined ? {} : { 'user.id': identity.user, 'tenant.id': identity.tenant }),
    ...(sessionID === undefined ? {} : { 'session.id': sessionID }),
  })
  if (context.res.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

function logLine(context: ApiContext, path: string, seconds: number): void {
  const identity = context.get('identity') as ApiContext['var']['identity'] | undefined
  context.get('log').info(
    {
      method: context.req.method,
      path,
      status: context.res.status,
      milliseconds: Math.round(seconds * 1000),
      ...(identity === undefined ? {} : { tenant: identity.tenant }),
      ...(context.get('sessionID') === undefined ? {} : { session: context.get('sessionID') }),
    },
    'request',
  )
}

/** The route's pattern, so that the number of series stays small; what matches no route is one series. */
export function patternOf(context: ApiContext): string {
  const named = context.get('pattern')
  if (named !== undefined) return named
  if (context.req.path.startsWith('/internal/llm/')) return '/internal/llm/*'
  const patterns = matchedRoutes(context)
    .map(({ path }) => path)
    .filter((path) => path !== '*' && path !== '/*')
  return patterns.findLast((path) => !path.includes('*')) ?? patterns.at(-1) ?? '(none)'
}

/** The caller's id where it is harmless, a new one otherwise. */
function idOf(context: ApiContext): string {
  const given = context.req.header('x-request-id')
  return given !== undefined && given.length <= 128 && /^[\w\-=.]+$/.test(given)
    ? given
    : randomUUID()
}

function isUnavailable(error: Error): boolean {
  return isConnectionError(error) || /Query read timeout|did not answer within/i.test(error.message)
}
