import { Affinity } from './affinity.ts'
import type { EdgeConfig } from './config.ts'
import type { Env } from './env.ts'
import { HealthView } from './health-view.ts'
import type { Location } from './health-view.ts'
import { originHeaders, requestID } from './headers.ts'
import { problem } from './problem.ts'
import { PROOF_HEADER, Proofs } from './proof.ts'
import { isDraining, isRead, isRepeatable, isTrouble, RetryBudget } from './retry.ts'

/** Methods that pass. TRACE and CONNECT never do. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** A request on its way: what every attempt needs. */
interface Passage {
  readonly request: Request
  readonly env: Env
  readonly context: ExecutionContext
  readonly method: string
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
type Outcome = Response | 'timeout' | 'unreachable'

/** Passes requests to the regions. One for each isolate. */
export class EdgeProxy {
  readonly view: HealthView
  readonly #config: EdgeConfig
  readonly #affinity: Affinity
  readonly #proofs: Proofs | undefined
  readonly #budget = new RetryBudget()

  constructor(
    config: EdgeConfig,
    {
      AFFINITY_SECRET: affinitySecret,
      EDGE_SECRET: edgeSecret,
    }: Pick<Env, 'AFFINITY_SECRET' | 'EDGE_SECRET'>,
  ) {
    this.#config = config
    this.view = new HealthView(config)
    this.#affinity = new Affinity(affinitySecret, config.settings.cookieSeconds, (name) =>
      Object.hasOwn(config.regions, name),
    )
    this.#proofs = edgeSecret === undefined ? undefined : new Proofs(edgeSecret)
  }

  /** Answers one request from the best region. */
  async handle(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    // Each look at a request, a response or their headers leaves JavaScript, which costs: what is needed twice is kept.
    const { method, url, body, headers: inbound } = request
    const id = requestID(inbound.get('x-request-id'))
    if (!methods.has(method)) return problem(405, `the method ${method} is not served here`, id)
    // The URL is the runtime's own and normal: scheme://host/path. Cutting it is cheaper than parsing it.
    const hostAt = url.indexOf('//') + 2
    const pathAt = url.indexOf('/', hostAt)
    if (pathAt === -1) return problem(400, 'the request names no path', id)
    const host = url.slice(hostAt, pathAt)
    const path = url.slice(pathAt)
    if (isInternal(path)) return problem(404, 'no such path', id)

    const now = Date.now()
    const cold = this.view.refresh(env, context, now)
    if (cold !== undefined) await cold
    const cookie = inbound.get('cookie')
    const home =
      this.#affinity.claim(inbound.get('authorization')) ??
      (cookie === null ? undefined : await this.#affinity.cookie(cookie, now))
    const regions = this.view.candidates(home, (request.cf ?? {}) as Location, now)
    const headers = originHeaders(inbound, {
      requestID: id,
      protocol: url.slice(0, hostAt - 3),
      host,
      address: inbound.get('cf-connecting-ip'),
      traceRatio: this.#config.settings.traceRatio,
    })
    const sent = method === 'GET' || method === 'HEAD' ? null : body
    if (sent === null && body !== null) headers.delete('content-length')
    const passage = {
      request,
      env,
      context,
      method,
      headers,
      body: sent,
      path,
      id,
      events: host === this.#config.eventsHost,
      repeatable: isRepeatable(method, inbound, sent !== null),
    }
    const { outcome, region } = await this.#serve(passage, regions)
    if (typeof outcome === 'string') return this.#failed(outcome, passage)
    // A WebSocket's answer belongs to the runtime: it is passed on as it is.
    if (outcome.webSocket) return outcome
    // A client is at home where it has written: a read leaves nothing there, and its answer stays fit for caches.
    const homing =
      home === undefined && !isRead(method) && outcome.status < 500
        ? await this.#affinity.make(region, now)
        : undefined
    return withFields(outcome, id, homing)
  }

  /** Tries the best region, and the next one where that is safe. */
  async #serve(
    passage: Passage,
    regions: readonly string[],
  ): Promise<{ outcome: Outcome; region: string }> {
    const { request, body, repeatable } = passage
    let [first = this.#config.defaultRegion, second] = regions
    if (
      second !== undefined &&
      !repeatable &&
      this.view.suspects(first) &&
      !(await this.view.trusts(first, passage.env, passage.context))
    ) {
      // What cannot be repeated does not go where the last request just failed, unless the region answers a probe.
      ;[first, second] = [second, first]
    }
    const spare = second === undefined ? undefined : this.#spare(passage)
    this.#budget.earn()
    const outcome = await this.#attempt(
      passage,
      first,
      spare instanceof Request ? request.body : body,
    )
    if (
      second === undefined ||
      !this.#movesOn(outcome, repeatable, spare !== undefined) ||
      !this.#budget.spend()
    ) {
      if (spare instanceof Request) void spare.body?.cancel()
      return { outcome, region: first }
    }
    if (outcome instanceof Response) void outcome.body?.cancel()
    return {
      outcome: await this.#attempt(passage, second, spare instanceof Request ? spare.body : null),
      region: second,
    }
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

  #movesOn(outcome: Outcome, repeatable: boolean, sendable: boolean): boolean {
    if (!sendable) return false
    if (typeof outcome === 'string') return repeatable
    return isTrouble(outcome.status) && (repeatable || isDraining(outcome))
  }

  async #attempt(passage: Passage, region: string, body: ReadableStream | null): Promise<Outcome> {
    const { env, context, method, headers, path, events, repeatable } = passage
    const target = this.#config.regions[region]
    if (target === undefined) throw new Error(`no region "${region}"`)
    const origin = events ? target.events : target.api
    headers.set('x-forwarded-region', region)
    if (this.#proofs !== undefined) {
      const proof = this.#proofs.get(origin.slice(origin.indexOf('//') + 2), Date.now())
      headers.set(PROOF_HEADER, typeof proof === 'string' ? proof : await proof)
    }
    const { headerTimeout, turnTimeout } = this.#config.settings
    const outcome = await within(
      repeatable ? headerTimeout : turnTimeout,
      fetch(origin + path, { method, headers, body, redirect: 'manual' }),
    )
    // A broken upload may be the client's doing, which must not turn others away from the region: then only a probe decides.
    if (typeof outcome === 'string') this.view.failed(region, body === null, env, context)
    else if (!isTrouble(outcome.status)) this.view.succeeded(region)
    else if (!isDraining(outcome)) this.view.failed(region, false, env, context)
    return outcome
  }

  #failed(failure: 'timeout' | 'unreachable', { id, repeatable }: Passage): Response {
    const sent = repeatable ? '' : ' It may have been received: ask before you send it again.'
    if (failure === 'timeout')
      return problem(504, `no region answered the request in time.${sent}`, id)
    return problem(502, `no region could be reached.${sent}`, id, { 'retry-after': '5' })
  }
}

/**
 * The answer, if its headers come in time. A signal to abort a late request would cost every request a fiftieth of its time, for
 * little: what is late ends with the client's own request, and its body is not read.
 */
function within(ms: number, answer: Promise<Response>): Promise<Outcome> {
  return new Promise((resolve) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      resolve('timeout')
    }, ms)
    answer.then(
      (response) => {
        clearTimeout(timer)
        if (late) void response.body?.cancel()
        resolve(response)
      },
      () => {
        clearTimeout(timer)
        resolve('unreachable')
      },
    )
  })
}

/** The region's answer with the request's id and the cookie. A copy costs, and the API repeats the id itself: most need none. */
function withFields(response: Response, id: string, cookie: string | undefined): Response {
  if (cookie === undefined && response.headers.get('x-request-id') === id) return response
  const answer = new Response(response.body, response)
  answer.headers.set('x-request-id', id)
  if (cookie !== undefined) answer.headers.append('set-cookie', cookie)
  return answer
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
