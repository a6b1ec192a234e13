import { Hono, type Context } from 'hono'
import { Agent, fetch } from 'undici'
import { breakOff } from '../../runtime/break-off.ts'
import type { LlmLimits } from '../../runtime/llm-config.ts'
import { answerDemo, type ChatRequest } from '../../runtime/demo-model.ts'

/** The provider that the engine's configuration names for rehearsals: its calls are answered here, and only between turns. */
export const rehearsalProvider = 'rehearsal'

/** The turn whose token model calls carry. */
export interface RelayTurn {
  token: string
  /** Trace headers that make the model calls children of the turn. */
  traceHeaders: Record<string, string>
}

/** How much longer than the API the relay waits, ms: the API knows why an answer is late and says so. */
const PATIENCE = 30_000

/**
 * Carries the engine's model calls to the API and adds the turn's token, so that the engine never holds it. Serves
 * `POST /llm/<provider>/v1/…` on loopback; between turns it refuses, and answers rehearsals instead.
 */
export class Relay {
  readonly app = new Hono()
  readonly #apiURL: string
  readonly #agent: Agent
  readonly #callsPerTurn: number
  #turn: RelayTurn | undefined
  #underWay = new Set<AbortController>()

  constructor(apiURL: string, { firstByteSeconds, idleSeconds, callsPerTurn }: LlmLimits) {
    this.#apiURL = apiURL.replace(/\/+$/, '')
    this.#callsPerTurn = callsPerTurn
    this.#agent = new Agent({
      headersTimeout: firstByteSeconds * 1000 + PATIENCE,
      bodyTimeout: idleSeconds * 1000 + PATIENCE,
      keepAliveTimeout: 30_000,
    })
    this.app.post(
      '/llm/:provider{[a-z0-9-]+}/v1/:path{chat/completions|messages|responses}',
      (context) => {
        const { provider, path } = context.req.param()
        return this.#forward(context, `/internal/llm/${provider}/v1/${path}`)
      },
    )
    this.app.post(`/${rehearsalProvider}/v1/chat/completions`, async (context) =>
      this.#turn === undefined
        ? answerDemo(await context.req.json<ChatRequest>())
        : refusal('a turn is running on this worker'),
    )
  }

  /** Model calls under way: titles are still being written when the answer is there. */
  get underWay(): number {
    return this.#underWay.size
  }

  /** Lets model calls through with this turn's token. */
  open(turn: RelayTurn): void {
    this.#turn = turn
  }

  /** Forgets the token and cuts what is still under way. */
  close(): void {
    this.#turn = undefined
    for (const call of this.#underWay) call.abort()
  }

  async #forward(context: Context, path: string): Promise<Response> {
    const request = context.req.raw
    const turn = this.#turn
    if (turn === undefined) return refusal('no turn is running on this worker')
    if (this.#underWay.size >= this.#callsPerTurn)
      return Response.json(
        {
          error: {
            type: 'too_many_calls',
            message: `this turn has ${this.#callsPerTurn.toString()} model calls under way, the limit: wait for one to end`,
          },
        },
        { status: 429, headers: { 'retry-after': '1' } },
      )
    const call = new AbortController()
    this.#underWay.add(call)
    const done = () => {
      this.#underWay.delete(call)
    }
    request.signal.addEventListener('abort', () => {
      call.abort()
    })
    const headers: Record<string, string> = {
      ...turn.traceHeaders,
      authorization: `Bearer ${turn.token}`,
    }
    for (const name of ['content-type', 'accept', 'anthropic-version', 'anthropic-beta']) {
      const value = request.headers.get(name)
      if (value !== null) headers[name] = value
    }
    try {
      const body = await request.text()
      const response = await fetch(this.#apiURL + path, {
        method: 'POST',
        headers,
        body,
        signal: call.signal,
        dispatcher: this.#agent,
      })
      const kept = ['content-type', 'retry-after'].flatMap((name) => {
        const value = response.headers.get(name)
        return value === null ? [] : [[name, value] as [string, string]]
      })
      if (response.body === null) done()
      const answer =
        response.body === null
          ? null
          : counted(context, response.body as ReadableStream<Uint8Array>, done)
      return new Response(answer, { status: response.status, headers: kept })
    } catch {
      done()
      return Response.json(
        { error: { type: 'api_unreachable', message: 'the API could not be reached' } },
        { status: 503 },
      )
    }
  }
}

function refusal(message: string): Response {
  return Response.json({ error: { type: 'refused', message } }, { status: 403 })
}

/** Passes a body on and says when it is over, however it ends. */
function counted(
  context: Context,
  source: ReadableStream<Uint8Array>,
  done: () => void,
): ReadableStream<Uint8Array> {
  const reader = source.getReader()
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done: ended, value } = await reader.read()
        if (ended) {
          done()
          controller.close()
        } else controller.enqueue(value)
      } catch (error) {
        done()
        breakOff(context, controller, error)
      }
    },
    async cancel(reason) {
      done()
      await reader.cancel(reason)
    },
  })
}
