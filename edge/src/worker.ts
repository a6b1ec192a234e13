// The Worker: picks a healthy region for each request and passes it on.
import { readConfig } from './config.ts'
import type { EdgeConfig } from './config.ts'
import type { Env } from './env.ts'
import { requestID } from './headers.ts'
import { healthObject } from './health-view.ts'
import { OPERATOR_PREFIX, operate } from './operator.ts'
import { problem } from './problem.ts'
import { EdgeProxy } from './proxy.ts'

export { HealthObject } from './health-object.ts'

/** What an isolate keeps between requests. */
let edge: { config: EdgeConfig; proxy: EdgeProxy } | undefined

function start(env: Env): { config: EdgeConfig; proxy: EdgeProxy } {
  const config = readConfig(env.EDGE)
  return { config, proxy: new EdgeProxy(config, env) }
}

export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    edge ??= start(env)
    try {
      if (
        request.url.includes(OPERATOR_PREFIX) &&
        new URL(request.url).pathname.startsWith(OPERATOR_PREFIX)
      ) {
        return await operate(request, env, edge.config, edge.proxy.view)
      }
      return await edge.proxy.handle(request, env, context)
    } catch (error) {
      console.error(error instanceof Error ? error.stack : error)
      return problem(
        502,
        'the edge could not pass on the request',
        requestID(request.headers.get('x-request-id')),
      )
    }
  },

  // The alarm arms itself; this brings it back should the platform ever give up on it.
  async scheduled(_controller: ScheduledController, env: Env): Promise<void> {
    await healthObject(env).state()
  },
}
