import { Affinity } from './affinity.ts'
import type { EdgeConfig } from './config.ts'
import type { Env } from './env.ts'
import { HealthView } from './health-view.ts'
import type { Location } from './health-view.ts'
import { originHeaders, requestID } from './headers.ts'
import { problem } from './problem.ts'
import { PROOF_HEADER, prove } from './proof.ts'
import { isDraining, isRepeatable, isTrouble, RetryBudget } from './retry.ts'

/** Methods that pass. TRACE and CONNECT never do. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** A request on its way: what every attempt needs. */
interface Passage {
  readonly request: Request
  readonly env: Env
  readonly context: ExecutionContext
  readonly headers: Headers
  /** What the client sends; null for GET and HEAD, whose content means nothing and cannot be sent on. */
  readonly body: ReadableStream | null
  /** Path and query, as sent. */
  readonly path: string
  readonly id: string
  readonly events: boolean
  readonly repeatable: boolean
}

/** What became of one attempt: an answer, or why there is none. */
type Outcome = { readonly response: Response } | { readonly failure: 'timeout' | 'unreachable' }

/** Passes requests to the regions. One for each isolate. */
export class EdgeProxy {
  readonly view: HealthView
  readonly #config: EdgeConfig
  readonly #affinity: Affinity
  readonly #budget = new RetryBudget()

  constructor(config: EdgeConfig, affinitySecret: string | undefined) {
    this.#config = config
    this.view = new HealthView(config)
    this.#affinity = new Affinity(affinitySecret, config.settings.cookieSeconds, (name) => Object.hasOwn(config.regions, name))
  }

  /** Answers one request from the best region. */
  async handle(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    const { method, headers: inbound } = request
    const id = requestID(inbound.get('x-request-id'))
    if (!methods.has(method)) return problem(405, `the method ${method} is not served here`, id)
    // The URL is the runtime's own and normal: scheme://host/path. Cutting it is cheaper than parsing it.
    const hostAt = request.url.indexOf('//') + 2
    const pathAt = request.url.indexOf('/', hostAt)
    if (pathAt === -1) return problem(400, 'the request names no path', id)
    const host = request.url.slice(hostAt, pathAt)
    const path = request.url.slice(pathAt)
    if (isInternal(path)) return problem(404, 'no such path', id)

    const now = Date.now()
    const cold = this.view.refresh(env, context, now)
    if (cold !== undefined) await cold
    const home = this.#affinity.claim(inbound.get('authorization')) ?? await this.#affinity.cookie(inbound.get('cookie'), now)
    const regions = this.view.candidates(home, (request.cf ?? {}) as Location, now)
    const headers = originHeaders(inbound, {
      requestID: id, protocol: request.url.slice(0, hostAt - 3), host, address: inbound.get('cf-connecting-ip'),
      traceRatio: this.#config.settings.traceRatio,
    })
    const events = host === this.#config.eventsHost
    const body = method === 'GET' || method === 'HEAD' ? null : request.body
    if (body === null && request.body !== null) headers.delete('content-length')
    const repeatable = isRepeatable(method, inbound, body !== null)
    const served = await this.#serve({ request, env, context, headers, body, path, id, events, repeatable }, regions)
    return this.#finish(served.response, served.region, id, home, now)
  }

  /** Tries the best region, and the next one where that is safe. */
  async #serve(passage: Passage, regions: readonly string[]): Promise<{ response: Response, region: string | undefined }> {
    const [first = this.#config.defaultRegion, second] = await this.#trusted(passage, regions)
    const spare = second === undefined ? undefined : this.#spare(passage)
    this.#budget.earn()
    const outcome = await this.#attempt(passage, first, spare instanceof Request ? passage.request.body : passage.body)
    if (!this.#movesOn(outcome, passage, spare !== undefined) || second === undefined || !this.#budget.spend()) {
      if (spare instanceof Request) void spare.body?.cancel()
      return 'response' in outcome ? { response: outcome.response, region: first } : { response: this.#failed(outcome.failure, passage), region: undefined }
    }
    if ('response' in outcome) void outcome.response.body?.cancel()
    const next = await this.#attempt(passage, second, spare instanceof Request ? spare.body : null)
    return 'response' in next ? { response: next.response, region: second } : { response: this.#failed(next.failure, passage), region: undefined }
  }

  /** A request that cannot be repeated does not go where the last one just failed, unless the region answers a probe. */
  async #trusted({ repeatable, env, context }: Passage, regions: readonly string[]): Promise<readonly string[]> {
    const [first, second] = regions
    if (repeatable || first === undefined || second === undefined || !this.view.suspects(first)) return regions
    return await this.view.trusts(first, env, context) ? regions : [second, first]
  }

  /**
   * What a second attempt would send: nothing where there is no body, a second reader of a small one (a draining region has not
   * taken it), and undefined where the body can be sent only once.
   */
  #spare({ request, body, repeatable }: Passage): Request | 'nothing' | undefined {
    if (body === null) return 'nothing'
    const length = Number(request.headers.get('content-length') ?? 'NaN')
    if (repeatable || !(length <= this.#config.settings.replayBytes)) return undefined
    return request.clone() as Request
  }

  #movesOn(outcome: Outcome, { repeatable }: Passage, sendable: boolean): boolean {
    if (!sendable) return false
    if ('failure' in outcome) return repeatable
    return isDraining(outcome.response) || (repeatable && isTrouble(outcome.response.status))
  }

  async #attempt(passage: Passage, region: string, body: ReadableStream | null): Promise<Outcome> {
    const { request, env, context, headers, path, id, events, repeatable } = passage
    const target = this.#config.regions[region]
    if (target === undefined) throw new Error(`no region "${region}"`)
    const origin = events ? target.events : target.api
    headers.set('x-forwarded-region', region)
    if (env.EDGE_SECRET !== undefined) {
      const host = origin.slice(origin.indexOf('//') + 2)
      headers.set(PROOF_HEADER, await prove(env.EDGE_SECRET, { method: request.method, host, path, requestID: id }, Date.now()))
    }
    const { headerTimeout, turnTimeout } = this.#config.settings
    // A client that leaves needs no signal: the runtime then ends what its request has under way.
    const late = new AbortController()
    const timer = setTimeout(() => { late.abort() }, repeatable ? headerTimeout : turnTimeout)
    try {
      const response = await fetch(origin + path, { method: request.method, headers, body, redirect: 'manual', signal: late.signal })
      if (!isTrouble(response.status)) this.view.succeeded(region)
      else if (!isDraining(response)) this.view.failed(region, false, env, context)
      return { response }
    } catch {
      // A broken upload may be the client's doing, which must not turn others away from the region: then only a probe decides.
      this.view.failed(region, body === null, env, context)
      return { failure: late.signal.aborted ? 'timeout' : 'unreachable' }
    } finally {
      clearTimeout(timer)
    }
  }

  async #finish(response: Response, region: string | undefined, id: string, home: string | undefined, now: number): Promise<Response> {
    // A WebSocket's answer belongs to the runtime: it is passed on as it is.
    if (region === undefined || response.webSocket) return response
    const cookie = home === undefined && response.status < 500 ? await this.#affinity.make(region, now) : undefined
    // A copy costs, and the API repeats the id itself: most answers to a client with a home are passed on as they are.
    if (cookie === undefined && response.headers.get('x-request-id') === id) return response
    const answer = new Response(response.body, response)
    answer.headers.set('x-request-id', id)
    if (cookie !== undefined) answer.headers.append('set-cookie', cookie)
    return answer
  }

  #failed(failure: 'timeout' | 'unreachable', { id, repeatable }: Passage): Response {
    const sent = repeatable ? '' : ' It may have been received: ask before you send it again.'
    if (failure === 'timeout') return problem(504, `no region answered the request in time.${sent}`, id)
    return problem(502, `no region could be reached.${sent}`, id, { 'retry-after': '5' })
  }
}

/** Whether a path is one that only workers inside a region may use, in any spelling that an origin might read as it. */
export function isInternal(path: string): boolean {
  if (/^\/internal(?:[/?]|$)/.test(path)) return true
  const end = path.indexOf('?')
  const plain = end === -1 ? path : path.slice(0, end)
  if (!/[%\\A-Z]|\/\//.test(plain)) return false
  let decoded = plain
  // Twice, because a proxy on the way may decode once.
  for (let round = 0; round < 2; round += 1) {
    try {
      decoded = decodeURIComponent(decoded)
    } catch {
      break // A stray % names no path of ours.
    }
  }
  const { pathname } = new URL(decoded.replaceAll('\\', '/').replace(/^\/+/, '/'), 'http://x')
  return /^\/+internal(?:\/|$)/i.test(pathname.replaceAll(/\/+/g, '/'))
}
