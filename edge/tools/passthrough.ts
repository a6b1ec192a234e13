// The benchmark's measure: a Worker that only passes requests on.
import type { Env } from '../src/env.ts'
import { HealthObject } from '../src/health-object.ts'

export { HealthObject }

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const origin = env.EDGE.regions[env.EDGE.defaultRegion]?.api ?? ''
    return fetch(new Request(origin + request.url.slice(request.url.indexOf('/', 8)), request))
  },
}
