import type { EdgeConfig } from './config.ts'
import type { Env } from './env.ts'
import type { ControlChange } from './health-state.ts'
import { changeControls, healthObject } from './health-view.ts'
import type { HealthView } from './health-view.ts'
import { requestID } from './headers.ts'
import { problem } from './problem.ts'
import { sameText } from './signature.ts'

/** Where the operator endpoints are. */
export const OPERATOR_PREFIX = '/__edge/'

/**
 * The operator endpoints: `GET health`, `POST drain {region, on}`, `POST pin {region | null}`, `POST promote {region, to | null}`.
 * Every answer is the health state after it.
 */
export async function operate(
  request: Request,
  env: Env,
  config: EdgeConfig,
  view: HealthView,
): Promise<Response> {
  const id = requestID(request.headers.get('x-request-id'))
  if (env.OPERATOR_TOKEN === undefined) return problem(404, 'no such path', id)
  const given = /^Bearer (\S{1,512})$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  if (given === undefined || !(await sameText(given, env.OPERATOR_TOKEN))) {
    return problem(401, 'send the operator token as a bearer token', id, {
      'www-authenticate': 'Bearer',
    })
  }
  const action = new URL(request.url).pathname.slice(OPERATOR_PREFIX.length)
  if (action === 'health') {
    if (request.method !== 'GET')
      return problem(405, 'health is read with GET', id, { allow: 'GET' })
    return show(await healthObject(env).state(), view, id)
  }
  if (!['drain', 'pin', 'promote'].includes(action))
    return problem(404, 'no such path. Known: health, drain, pin, promote', id)
  if (request.method !== 'POST')
    return problem(405, `${action} is changed with POST`, id, { allow: 'POST' })
  const change = readChange(
    action,
    await request.json().catch(() => undefined),
    Object.keys(config.regions),
  )
  if (typeof change === 'string') return problem(400, change, id)
  return show(await changeControls(env, view, change), view, id)
}

function show(state: object, view: HealthView, id: string): Response {
  return Response.json(
    { ...state, isolate: view.describe() },
    { headers: { 'cache-control': 'no-store', 'x-request-id': id } },
  )
}

/** @returns the change, or what is wrong with the request */
function readChange(
  action: string,
  body: unknown,
  regions: readonly string[],
): ControlChange | string {
  const { region, on, to } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >
  const isRegion = (name: unknown): name is string =>
    typeof name === 'string' && regions.includes(name)
  const expected = (what: string): string => `expected ${what}; regions: ${regions.join(', ')}`
  if (action === 'pin')
    return region === null || isRegion(region)
      ? { kind: 'pin', region }
      : expected('{"region": name or null}')
  if (!isRegion(region)) return expected('"region" to name a region')
  if (action === 'drain')
    return typeof on === 'boolean'
      ? { kind: 'drain', region, on }
      : expected('{"region": name, "on": true or false}')
  return to === null || (isRegion(to) && to !== region)
    ? { kind: 'promote', region, to }
    : expected('{"region": name, "to": another region or null}')
}
