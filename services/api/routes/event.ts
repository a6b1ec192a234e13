import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { Problem } from '../../runtime/problem.ts'
import type { ApiContext, Env, Services } from '../context.ts'
import type { StreamForm } from '../events/streams.ts'
import { sessionDirectory } from './common.ts'

// The adapter knows its own marker only as a complete Response, which it becomes when it is read. Bundled, it is made after the
// adapter has put its light Response in place, and the adapter would write a second head onto the stream.
void RESPONSE_ALREADY_SENT.body

/** Event streams. `Last-Event-ID` (or `?lastEventID=`, for clients that cannot set headers) resumes one without gaps or repetitions. */
export function eventRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  const serve = (form: StreamForm) => async (context: ApiContext) => {
    if (services.draining())
      throw new Problem(503, 'this server is shutting down; connect again', {
        headers: { 'x-opencode-draining': '1', 'retry-after': '1' },
      })
    // A HEAD request is routed as a GET, and would stay open without ever getting anything.
    if (context.req.raw.method === 'HEAD')
      return context.body(null, 200, { 'content-type': 'text/event-stream' })
    const identity = context.get('identity')
    await services.streams.serve(
      {
        tenant: identity.tenant,
        identity,
        form,
        directory: sessionDirectory(context, services.config.workspaceRoot),
        after: lastID(context),
        expires: identity.expires === undefined ? undefined : identity.expires * 1000,
      },
      context.env.outgoing,
      { ...context.get('streamHeaders'), 'x-request-id': context.get('requestID') },
    )
    return RESPONSE_ALREADY_SENT
  }
  app.get('/event', serve('instance'))
  app.get('/global/event', serve('global'))
  return app
}

function lastID(context: ApiContext): number | undefined {
  const given = context.req.header('last-event-id') ?? context.req.query('lastEventID')
  if (given === undefined || given === '') return undefined
  const id = Number(given)
  if (!Number.isSafeInteger(id) || id < 0)
    throw new Problem(400, 'Last-Event-ID must be the id of an event of this stream')
  return id
}
