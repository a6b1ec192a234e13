import { SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api'
import { Hono, type Context } from 'hono'
import type { Response as UpstreamResponse } from 'undici'
import { breakOff } from '../../runtime/break-off.ts'
import { genAiAttributes } from '../../runtime/gen-ai-attributes.ts'
import {
  protocolOf,
  type LlmConfig,
  type Protocol,
  type ProviderConfig,
} from '../../runtime/llm-config.ts'
import { answerDemo } from '../../runtime/demo-model.ts'
import { forbidden } from './allowed.ts'
import {
  CallerLeft,
  isTimeout,
  knowsModel,
  providerBody,
  providerRequest,
  Upstream,
  UpstreamError,
  type CallBody,
  type FailureReason,
  type UpstreamLimits,
} from './upstream.ts'
import { UsageReader, type Tokens } from './usage.ts'

/** Whose call it is. Comes from the turn's token, never from the request itself. */
export interface LlmCaller {
  tenant: string
  turnID: string
  sessionID: string
}

/** One finished model call, ready to be added up. */
export interface LlmUsage extends LlmCaller {
  provider: string
  model: string
  tokens: Tokens
  /** The answer ended before the provider named its output tokens; they were counted from the text. */
  estimated: boolean
}

/** Where the proxy's numbers go. The API connects these to its metrics registry. */
export interface LlmMetrics {
  tokens(provider: string, model: string, type: keyof Tokens, count: number): void
  /** @param seconds - From the request to the answer's last byte. */
  duration(provider: string, model: string, seconds: number): void
  /** @param reason - `breaker`, `connect`, `reset`, `timeout`, `status_<code>`, `truncated`, `configuration`. */
  error(provider: string, reason: string): void
}

/** What {@link createLlmProxy} needs. */
export interface LlmProxyOptions {
  config: LlmConfig
  /** The verified caller of a request; the mounting server has checked the turn's token before. */
  caller(context: Context): LlmCaller
  /** Adds a call's tokens to the tenant's account. Called once a call, also when the client has gone. */
  record(usage: LlmUsage): Promise<void>
  metrics: LlmMetrics
  /** Called with what went wrong behind a client's back. Must not be given message contents. */
  onError(error: unknown, where: string): void
  limits?: Partial<UpstreamLimits>
  /** How long an answer is read on for its usage after the client has gone, ms. @default 15_000 */
  drainTimeout?: number
  /** Where keys are read from. @default process.env */
  env?: NodeJS.ProcessEnv
}

/**
 * The one place that talks to model providers and holds their keys. Route: `POST /:provider/v1/<protocol>`, where the
 * configuration gives each provider one protocol. Mount it behind the check of the turn's token.
 */
export function createLlmProxy(options: LlmProxyOptions): Hono & { close(): Promise<void> } {
  const { firstByteSeconds, idleSeconds, callsPerTurn } = options.config.limits
  const upstream = new Upstream({
    headersTimeout: firstByteSeconds * 1000,
    idleTimeout: idleSeconds * 1000,
    ...options.limits,
  })
  /** Calls under way, by turn. */
  const underWay = new Map<string, number>()
  const app = new Hono()
  app.post('/:provider/v1/:path{.+}', async (context) => {
    const id = context.req.param('provider')
    const path = context.req.param('path')
    const provider = Object.hasOwn(options.config.providers, id)
      ? options.config.providers[id]
      : undefined
    if (provider === undefined)
      return refuse(404, 'unknown_provider', `no provider "${id.slice(0, 64)}" is configured`)
    const protocol = protocolOf(provider)
    if (path !== protocol)
      return refuse(404, 'unknown_endpoint', `provider "${id}" serves ${protocol} only`)
    const body = parseBody(await context.req.text())
    if (typeof body?.model !== 'string')
      return refuse(400, 'invalid_request', 'the body must be a JSON object with a "model"')
    if (!knowsModel(options.config, id, body.model)) {
      return refuse(
        404,
        'unknown_model',
        `provider "${id}" has no model "${body.model.slice(0, 128)}"; add it to LLM_CONFIG`,
      )
    }
    const reason = forbidden(
      protocol,
      context.req.raw.headers,
      body as Record<string, unknown>,
      Object.keys(provider.models[body.model]?.options ?? {}),
    )
    if (reason !== undefined) return refuse(400, 'not_forwarded', reason)
    const caller = options.caller(context)
    const calls = underWay.get(caller.turnID) ?? 0
    if (calls >= callsPerTurn)
      return refuse(
        429,
        'too_many_calls',
        `this turn has ${calls.toString()} model calls under way, the limit: wait for one to end`,
      )
    underWay.set(caller.turnID, calls + 1)
    const over = () => {
      const left = (underWay.get(caller.turnID) ?? 1) - 1
      if (left === 0) underWay.delete(caller.turnID)
      else underWay.set(caller.turnID, left)
    }
    const target = { id, provider, protocol, body, model: body.model, caller }
    return new ModelCall(options, upstream, target, over).run(context)
  })
  return Object.assign(app, { close: () => upstream.close() })
}

interface CallTarget {
  id: string
  provider: ProviderConfig
  protocol: Protocol
  body: CallBody
  model: string
  caller: LlmCaller
}

/** One call, from the request to the last byte and its accounting. */
class ModelCall {
  readonly #options: LlmProxyOptions
  readonly #upstream: Upstream
  readonly #target: CallTarget
  readonly #span: Span
  readonly #started = performance.now()
  readonly #abort = new AbortController()
  /** Called once, when the answer has been read to its end or there will be none. */
  readonly #onOver: () => void
  #over = false

  constructor(
    options: LlmProxyOptions,
    upstream: Upstream,
    target: CallTarget,
    onOver: () => void,
  ) {
    this.#onOver = onOver
    this.#options = options
    this.#upstream = upstream
    this.#target = target
    this.#span = trace.getTracer('opencode-api').startSpan('llm.request', {
      kind: SpanKind.CLIENT,
      attributes: {
        [genAiAttributes.operation]: 'chat',
        [genAiAttributes.provider]: target.id,
        [genAiAttributes.plainProvider]: target.id,
        [genAiAttributes.requestModel]: target.model,
        [genAiAttributes.plainModel]: target.model,
        [genAiAttributes.stream]: target.body.stream === true,
        [genAiAttributes.conversation]: target.caller.sessionID,
        'session.id': target.caller.sessionID,
      },
    })
  }

  async run(context: Context): Promise<Response> {
    const request = context.req.raw
    // Before the answer has begun a caller who leaves costs nothing; afterwards the usage is still read.
    const leave = () => {
      this.#abort.abort(new Error('the caller went away'))
    }
    request.signal.addEventListener('abort', leave)
    if (request.signal.aborted) leave()
    try {
      const response = await this.#ask(request.headers)
      request.signal.removeEventListener('abort', leave)
      return this.#forward(context, response)
    } catch (error) {
      request.signal.removeEventListener('abort', leave)
      this.#onOver()
      if (error instanceof CallerLeft) {
        this.#span.end()
        return refuse(503, 'caller_left', error.message)
      }
      const reason = error instanceof UpstreamError ? error.reason : 'configuration'
      this.#fail(reason, error)
      const message = error instanceof Error ? error.message : 'the model could not be asked'
      return refuse(statusOf(reason), `upstream_${reason}`, message)
    }
  }

  async #ask(inbound: Headers): Promise<Response | UpstreamResponse> {
    const { id, provider, body, model } = this.#target
    if (provider.kind === 'demo') return answerDemo(body)
    const { url, headers } = providerRequest(
      id,
      provider,
      model,
      inbound,
      this.#options.env ?? process.env,
    )
    const answer = await this.#upstream.send(id, this.#target.caller.tenant, {
      url,
      headers,
      method: 'POST',
      body: JSON.stringify(providerBody(provider, body)),
      signal: this.#abort.signal,
    })
    this.#span.setAttribute(genAiAttributes.retries, answer.retries)
    return answer.response
  }

  #forward(context: Context, response: Response | UpstreamResponse): Response {
    const headers = new Headers()
    for (const name of [
      'content-type',
      'retry-after',
      'request-id',
      'x-request-id',
      'cache-control',
    ]) {
      const value = response.headers.get(name)
      if (value !== null) headers.set(name, value)
    }
    if (!response.ok)
      this.#options.metrics.error(this.#target.id, `status_${response.status.toString()}`)
    const streamed = headers.get('content-type')?.includes('text/event-stream') ?? false
    const usage = new UsageReader(this.#target.protocol, streamed)
    if (response.body === null) {
      this.#finish(usage, response.ok)
      return new Response(null, { status: response.status, headers })
    }
    const body = this.#pass(
      context,
      response.body as ReadableStream<Uint8Array>,
      usage,
      response.ok,
    )
    return new Response(body, { status: response.status, headers })
  }

  /** Hands chunks on as the client reads them; when the client goes away, reads on for a while to learn what the call cost. */
  #pass(
    context: Context,
    source: ReadableStream<Uint8Array>,
    usage: UsageReader,
    ok: boolean,
  ): ReadableStream<Uint8Array> {
    const reader = source.getReader()
    const streamed = usage.streamed && ok
    /** @returns the next bytes, undefined at the end. Accounts for the call when it is over. */
    const next = async (): Promise<Uint8Array | undefined> => {
      try {
        const { done, value } = await reader.read()
        if (!done) {
          usage.push(value)
          return value
        }
        if (streamed && !usage.ended) throw new Error('the provider ended its answer in the middle')
        this.#finish(usage, ok)
        return undefined
      } catch (error) {
        // Reading on after the client has left ends by our own limit: no fault of the provider.
        const reason = this.#abort.signal.aborted
          ? undefined
          : isTimeout(error)
            ? 'timeout'
            : 'truncated'
        this.#finish(usage, ok && reason === undefined, reason, error)
        throw error
      }
    }
    let reading: Promise<void> = Promise.resolve()
    let left = false
    const hand = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      try {
        const chunk = await next()
        if (left) return
        if (chunk === undefined) controller.close()
        else controller.enqueue(chunk)
      } catch (error) {
        if (!left) breakOff(context, controller, error)
      }
    }
    return new ReadableStream<Uint8Array>({
      pull: (controller) => (reading = hand(controller)),
      cancel: () => {
        left = true
        void this.#drain(reading, next)
      },
    })
  }

  /** Reads on after the client has left, from where the read under way ends. */
  async #drain(reading: Promise<void>, next: () => Promise<Uint8Array | undefined>): Promise<void> {
    const timer = setTimeout(() => {
      this.#abort.abort(new Error('read on long enough'))
    }, this.#options.drainTimeout ?? 15_000)
    try {
      await reading
      while (!this.#over && (await next()) !== undefined);
    } catch {
      // Accounted for where it was read.
    } finally {
      clearTimeout(timer)
    }
  }

  #finish(reader: UsageReader, ok: boolean, reason?: string, error?: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#onOver()
    const { id, model, caller } = this.#target
    const { tokens, estimated } = reader.finish()
    if (reason !== undefined) this.#options.metrics.error(id, reason)
    this.#options.metrics.duration(id, model, (performance.now() - this.#started) / 1000)
    const input = tokens.input ?? 0
    const output = tokens.output ?? 0
    this.#span.setAttributes({
      [genAiAttributes.inputTokens]: input,
      [genAiAttributes.plainInputTokens]: input,
      [genAiAttributes.outputTokens]: output,
      [genAiAttributes.plainOutputTokens]: output,
      [genAiAttributes.estimated]: estimated,
      ...(tokens.cache_read === undefined
        ? {}
        : { [genAiAttributes.cacheReadTokens]: tokens.cache_read }),
      ...(tokens.cache_write === undefined
        ? {}
        : { [genAiAttributes.cacheWriteTokens]: tokens.cache_write }),
      ...(reason === undefined ? {} : { [genAiAttributes.errorType]: reason }),
    })
    if (!ok)
      this.#span.setStatus({
        code: SpanStatusCode.ERROR,
        ...(error instanceof Error ? { message: error.message } : {}),
      })
    this.#span.end()
    for (const [type, count] of Object.entries(tokens) as [keyof Tokens, number][])
      this.#options.metrics.tokens(id, model, type, count)
    if (Object.keys(tokens).length === 0) return
    this.#options
      .record({ ...caller, provider: id, model, tokens, estimated })
      .catch((cause: unknown) => {
        this.#options.onError(cause, 'llm usage')
      })
  }

  #fail(reason: string, error: unknown): void {
    this.#options.metrics.error(this.#target.id, reason)
    this.#span.setAttribute(genAiAttributes.errorType, reason)
    this.#span.setStatus({
      code: SpanStatusCode.ERROR,
      message: error instanceof Error ? error.message : reason,
    })
    this.#span.end()
  }
}

/**
 * The status of a call without an answer. The engine repeats calls that end with 5xx and not those with 424: what reached the
 * provider may have been billed.
 */
function statusOf(reason: FailureReason | 'configuration'): 424 | 500 | 503 {
  if (reason === 'configuration') return 500
  return reason === 'timeout' || reason === 'reset' ? 424 : 503
}

/** An error in the shape both providers' clients read (`error.message`), with a type that says where it comes from. */
function refuse(
  status: 400 | 404 | 424 | 429 | 500 | 503,
  type: string,
  message: string,
): Response {
  return Response.json(
    { type: 'error', error: { type, message } },
    { status, headers: retryAfter[status] ?? {} },
  )
}

/** When to come back, by status. */
const retryAfter: Readonly<Record<number, Record<string, string>>> = {
  429: { 'retry-after': '1' },
  503: { 'retry-after': '5' },
}

function parseBody(text: string): CallBody | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
