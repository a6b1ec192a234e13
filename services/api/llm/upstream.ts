import { setTimeout as sleep } from 'node:timers/promises'
import {
  BrokenCircuitError,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  type CircuitBreakerPolicy,
} from 'cockatiel'
import { fetch, type Dispatcher, type Response as UpstreamResponse } from 'undici'
import type { ChatRequest } from '../../runtime/demo-model.ts'
import { egressAgent } from '../../runtime/egress.ts'
import {
  ownBaseURL,
  protocolOf,
  type LlmConfig,
  type ProviderConfig,
} from '../../runtime/llm-config.ts'

/** Time limits and bounds of calls to providers. */
export interface UpstreamLimits {
  /** Time to a TCP and TLS connection, ms. @default 10_000 */
  connectTimeout: number
  /** Time from the request to the response headers, ms. @default 300_000 */
  headersTimeout: number
  /** Longest silence between two chunks of the answer, ms. @default 300_000 */
  idleTimeout: number
  /** Repetitions after 429, 5xx or a connection that was never made: what else fails may have been billed. @default 2 */
  retries: number
  /** First pause before a repetition, ms; doubles, with jitter. @default 250 */
  retryDelay: number
  /** Longest `Retry-After` that is waited for here, ms; a longer one goes to the caller. @default 5_000 */
  maxRetryAfter: number
  /** Failures in a row that open a provider's breaker for a tenant. @default 5 */
  breakerFailures: number
  /** Time an open breaker refuses calls, ms. @default 10_000 */
  breakerPause: number
}

/** The limits used where nothing else is said. */
export const defaultLimits: UpstreamLimits = {
  connectTimeout: 10_000,
  headersTimeout: 300_000,
  idleTimeout: 300_000,
  retries: 2,
  retryDelay: 250,
  maxRetryAfter: 5_000,
  breakerFailures: 5,
  breakerPause: 10_000,
}

/** An answer's head, before its body is read. */
export interface UpstreamAnswer {
  response: UpstreamResponse
  /** Repetitions it took. */
  retries: number
}

/** What kept an answer from coming. */
export type FailureReason = 'breaker' | 'connect' | 'reset' | 'timeout'

/** The caller went away before there was an answer: nobody's fault, so it neither counts for the breaker nor as an error. */
export class CallerLeft extends Error {
  override readonly name = 'CallerLeft'
}

/** Thrown when no answer could be had. `reason` is a metric label. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly reason: FailureReason

  constructor(reason: FailureReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** A failing status: counts for the breaker, but its response is still handed on when retries are used up. */
class FailingStatus extends Error {
  readonly response: UpstreamResponse

  constructor(response: UpstreamResponse) {
    super(`status ${response.status.toString()}`)
    this.response = response
  }
}

/**
 * Calls the providers: connections, time limits, retries before the first byte. Each tenant has a breaker for each provider:
 * a tenant whose calls fail stops nobody else's.
 */
export class Upstream {
  readonly #agent: Dispatcher
  readonly #limits: UpstreamLimits
  /** Breakers that have seen a failure since the last success. */
  readonly #breakers = new Map<string, CircuitBreakerPolicy>()

  constructor(limits: Partial<UpstreamLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits }
    const { connectTimeout, headersTimeout, idleTimeout } = this.#limits
    this.#agent = egressAgent({
      connect: { timeout: connectTimeout },
      headersTimeout,
      bodyTimeout: idleTimeout,
    })
  }

  /**
   * Sends a request and resolves with the head of the answer.
   * @param provider - Name of the provider; with the tenant, the key of a breaker.
   * @throws UpstreamError when there is no answer to hand on.
   */
  async send(provider: string, tenant: string, request: UpstreamRequest): Promise<UpstreamAnswer> {
    const key = `${tenant}/${provider}`
    const { retries, retryDelay } = this.#limits
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await this.#breaker(key).execute(() => this.#once(request))
        this.#breakers.delete(key)
        return { response, retries: attempt }
      } catch (error) {
        if (error instanceof CallerLeft) throw error
        const pause = error instanceof FailingStatus ? this.#retryAfter(error.response) : 0
        const last = attempt >= retries || pause === undefined || !wasNotAnswered(error)
        if (last && error instanceof FailingStatus)
          return { response: error.response, retries: attempt }
        if (last) throw asUpstreamError(provider, error)
        if (error instanceof FailingStatus) await error.response.body?.cancel()
        // A caller who leaves meanwhile ends the pause; the next attempt then says so.
        const delay = Math.max(pause ?? 0, retryDelay * 2 ** attempt * (0.5 + Math.random()))
        await sleep(delay, undefined, { signal: request.signal }).catch(() => undefined)
      }
    }
  }

  /** Closes every connection; calls under way fail. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #once({ url, headers, body, method, signal }: UpstreamRequest): Promise<UpstreamResponse> {
    const response = await fetch(url, {
      method,
      headers,
      body,
      signal,
      dispatcher: this.#agent,
      redirect: 'error',
    }).catch((error: unknown) => {
      throw signal.aborted ? new CallerLeft('the caller went away', { cause: error }) : error
    })
    // 529 is Anthropic's "overloaded".
    if (response.status === 429 || response.status >= 500) throw new FailingStatus(response)
    return response
  }

  /** The pause a failing answer asks for, ms; `undefined` when it is too long to wait for or the failure is not passing. */
  #retryAfter(response: UpstreamResponse): number | undefined {
    if (response.status === 501) return undefined
    const seconds = Number(response.headers.get('retry-after') ?? 0)
    const pause = Number.isFinite(seconds) ? seconds * 1000 : 0
    return pause <= this.#limits.maxRetryAfter ? pause : undefined
  }

  #breaker(key: string): CircuitBreakerPolicy {
    const known = this.#breakers.get(key)
    if (known !== undefined) return known
    const { breakerFailures, breakerPause } = this.#limits
    // A key's rate is no fault of the provider.
    const counts = handleWhen(
      (error) =>
        !(error instanceof CallerLeft) &&
        !(error instanceof FailingStatus && error.response.status === 429),
    )
    const made = circuitBreaker(counts, {
      halfOpenAfter: breakerPause,
      breaker: new ConsecutiveBreaker(breakerFailures),
    })
    this.#breakers.set(key, made)
    return made
  }
}

/** One request to a provider, its body whole so that it can be sent again. */
export interface UpstreamRequest {
  url: string
  method: string
  headers: Record<string, string>
  body: string | null
  signal: AbortSignal
}

/**
 * Where a call goes and what it carries: the provider's address, its key, the headers its API wants.
 * @throws Error naming the environment variable when the provider's key is not there.
 */
export function providerRequest(
  id: string,
  provider: ProviderConfig,
  model: string,
  inbound: Headers,
  env: NodeJS.ProcessEnv,
): { url: string; headers: Record<string, string> } {
  const base = baseOf(provider)
  const own = Object.entries(provider.models[model]?.headers ?? {})
  const headers: Record<string, string> = {
    ...Object.fromEntries(own.map(([name, value]) => [name.toLowerCase(), value])),
    'content-type': 'application/json',
    accept: inbound.get('accept') ?? '*/*',
  }
  const key = provider.apiKeyEnv === undefined ? undefined : env[provider.apiKeyEnv]
  if (provider.apiKeyEnv !== undefined && !key)
    throw new Error(
      `provider "${id}" wants its key in ${provider.apiKeyEnv}, which is not set on the API`,
    )
  if (provider.kind === 'anthropic') {
    headers['anthropic-version'] = inbound.get('anthropic-version') ?? '2023-06-01'
    const beta = [headers['anthropic-beta'], inbound.get('anthropic-beta')].filter(Boolean)
    if (beta.length > 0) headers['anthropic-beta'] = beta.join(',')
    if (key) headers['x-api-key'] = key
  } else if (key) headers['authorization'] = `Bearer ${key}`
  return { url: `${base}/${protocolOf(provider)}`, headers }
}

/** The parts of a call's body that the proxy looks at, in any protocol. */
export type CallBody = ChatRequest & { stream_options?: object; max_tokens?: number }

/** OpenAI's own hosts, Azure's included: their chat completions refuse `max_tokens` for every reasoning model. */
const openAIHost = /^api\.openai\.com$|\.openai\.azure\.com$/

/** A call's body as its provider wants it. The engine sends the same chat completions to every server of that kind. */
export function providerBody(provider: ProviderConfig, body: CallBody): object {
  if (protocolOf(provider) !== 'chat/completions') return body
  const { max_tokens, ...rest } = body
  const limit =
    max_tokens === undefined
      ? {}
      : openAIHost.test(new URL(baseOf(provider)).hostname)
        ? { max_completion_tokens: max_tokens }
        : { max_tokens }
  // Without include_usage a stream ends without saying what it cost.
  const stream =
    body.stream === true ? { stream_options: { ...body.stream_options, include_usage: true } } : {}
  return { ...rest, ...limit, ...stream }
}

function baseOf({ kind, baseURL }: ProviderConfig): string {
  const own = kind === 'demo' ? '' : ownBaseURL[kind]
  return (baseURL ?? own).replace(/\/+$/, '')
}

/** Whether the configuration lists this model for this provider: nothing else is forwarded. */
export function knowsModel(config: LlmConfig, provider: string, model: string): boolean {
  return Object.hasOwn(config.providers[provider]?.models ?? {}, model)
}

function asUpstreamError(provider: string, error: unknown): UpstreamError {
  if (error instanceof BrokenCircuitError) {
    return new UpstreamError(
      'breaker',
      `provider "${provider}" failed repeatedly and is left alone for a moment`,
      { cause: error },
    )
  }
  const message = `provider "${provider}" gave no answer (${codeOf(error) || 'connection failed'})`
  const reason = neverConnected(error) ? 'connect' : isTimeout(error) ? 'timeout' : 'reset'
  return new UpstreamError(reason, message, { cause: error })
}

/** Whether a call can be repeated without paying twice: it never arrived, or was turned away before an answer began. */
function wasNotAnswered(error: unknown): boolean {
  return error instanceof FailingStatus || neverConnected(error)
}

/** Codes of connections that were never made, by the resolver, the kernel and undici. */
const unconnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function neverConnected(error: unknown): boolean {
  return unconnected.has(codeOf(error))
}

/** Whether a time limit ended a call, in its head or in its body. */
export function isTimeout(error: unknown): boolean {
  return codeOf(error).includes('TIMEOUT')
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
}
