import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { Agent, fetch } from 'undici'
import { relayHead } from '../protocol/sandbox.ts'
import type { LlmLimits } from '../runtime/llm-config.ts'
import type { SandboxConnection } from './connection.ts'

/** The turn whose token model calls carry. */
export interface RelayTurn {
  token: string
  /** Trace headers that make the model calls children of the turn. */
  traceHeaders: Record<string, string>
}

/** How much longer than the API the relay waits, ms: the API knows why an answer is late and says so. */
const PATIENCE = 30_000
/** Streams that wait for a call. */
const PARKED = 2
/** Longest model call, bytes; the API has a limit of its own below it. */
const CALL_LIMIT = 64 * 2 ** 20
const modelCall = /^\/llm\/[a-z0-9-]+\/v1\/(chat\/completions|messages|responses)$/
const passed = ['content-type', 'accept', 'anthropic-version', 'anthropic-beta'] as const

/** How the relays of a worker reach the API. */
export class RelayTarget {
  readonly apiURL: string
  readonly callsPerTurn: number
  readonly dispatcher: Agent

  constructor(apiURL: string, { firstByteSeconds, idleSeconds, callsPerTurn }: LlmLimits) {
    this.apiURL = apiURL.replace(/\/+$/, '')
    this.callsPerTurn = callsPerTurn
    this.dispatcher = new Agent({
      headersTimeout: firstByteSeconds * 1000 + PATIENCE,
      bodyTimeout: idleSeconds * 1000 + PATIENCE,
      keepAliveTimeout: 30_000,
    })
  }
}

/**
 * Carries one turn's model calls to the API and adds the turn's token, so that the sandbox never holds it. The sandbox can open no
 * connection: this side parks streams, each of which the sandbox answers with a call, and whose body is then the model's answer.
 */
export class Relay {
  readonly #connection: SandboxConnection
  readonly #target: RelayTarget
  readonly #turn: RelayTurn
  readonly #parked = new Set<ClientHttp2Stream>()
  readonly #calls = new Set<AbortController>()
  #isClosed = false

  constructor(connection: SandboxConnection, target: RelayTarget, turn: RelayTurn) {
    this.#connection = connection
    this.#target = target
    this.#turn = turn
  }

  /** Model calls under way: titles are still being written when the answer is there. */
  get underWay(): number {
    return this.#calls.size
  }

  /** Lets model calls through. */
  open(): void {
    while (!this.#isClosed && this.#parked.size < PARKED) {
      const stream = this.#connection.park('/relay')
      if (stream === undefined) return
      this.#parked.add(stream)
      stream.on('response', (headers) => {
        this.#parked.delete(stream)
        this.open()
        this.#carry(stream, headers).catch(() => {
          stream.destroy()
        })
      })
      stream.on('close', () => {
        this.#parked.delete(stream)
      })
    }
  }

  /** Lets no more through and cuts what is under way. */
  close(): void {
    this.#isClosed = true
    for (const stream of this.#parked) stream.destroy()
    for (const call of this.#calls) call.abort()
  }

  async #carry(
    stream: ClientHttp2Stream,
    said: IncomingHttpHeaders & IncomingHttpStatusHeader,
  ): Promise<void> {
    const call = new AbortController()
    stream.on('close', () => {
      call.abort()
    })
    const text = said['x-relay']
    const head = relayHead.safeParse(typeof text === 'string' ? JSON.parse(text) : undefined)
    if (said[':status'] !== 200 || !head.success || !modelCall.test(head.data.path)) {
      stream.destroy()
      return
    }
    if (this.#calls.size >= this.#target.callsPerTurn) {
      const message = `this turn has ${this.#target.callsPerTurn.toString()} model calls under way, the limit: wait for one to end`
      refuse(stream, 429, 'too_many_calls', message, { 'retry-after': '1' })
      return
    }
    this.#calls.add(call)
    try {
      await this.#forward(stream, head.data, call.signal)
    } finally {
      this.#calls.delete(call)
    }
  }

  async #forward(
    stream: ClientHttp2Stream,
    { path, headers: given }: { path: string; headers: Record<string, string> },
    signal: AbortSignal,
  ): Promise<void> {
    const { apiURL, dispatcher } = this.#target
    const headers: Record<string, string> = {
      ...this.#turn.traceHeaders,
      authorization: `Bearer ${this.#turn.token}`,
    }
    for (const name of passed) {
      const value = given[name]
      if (value !== undefined) headers[name] = value
    }
    const body = await readCall(stream)
    let response: Awaited<ReturnType<typeof fetch>>
    try {
      const url = `${apiURL}/internal${path}`
      response = await fetch(url, { method: 'POST', headers, body, signal, dispatcher })
    } catch {
      refuse(stream, 503, 'api_unreachable', 'the API could not be reached')
      return
    }
    const kept = ['content-type', 'retry-after'].flatMap((name) => {
      const value = response.headers.get(name)
      return value === null ? [] : [[name, value]]
    })
    await send(
      stream,
      JSON.stringify({ status: response.status, headers: Object.fromEntries(kept) as object }),
    )
    if (response.body !== null)
      for await (const piece of response.body) if (piece.length > 0) await send(stream, piece)
    await send(stream, '')
    stream.end()
  }
}

/** One piece behind its length; an empty one says that the answer is whole. */
async function send(stream: ClientHttp2Stream, piece: Uint8Array | string): Promise<void> {
  const data = Buffer.from(piece as Uint8Array)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  if (stream.destroyed) throw new Error('the call was given up')
  if (!stream.write(Buffer.concat([length, data])))
    await new Promise((done) => stream.once('drain', done).once('close', done))
}

function refuse(
  stream: ClientHttp2Stream,
  status: number,
  type: string,
  message: string,
  more: Record<string, string> = {},
): void {
  if (stream.destroyed) return
  const headers = { 'content-type': 'application/json', ...more }
  const body = JSON.stringify({ error: { type, message } })
  stream.resume()
  void send(stream, JSON.stringify({ status, headers }))
    .then(() => send(stream, body))
    .then(() => send(stream, ''))
    .then(() => stream.end())
    .catch(() => undefined)
}

async function readCall(stream: ClientHttp2Stream): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  // Read by hand: to iterate would end the stream with its answer, and its body is still to be sent.
  await new Promise<void>((done, fail) => {
    stream.on('data', (piece: Buffer) => {
      size += piece.length
      if (size > CALL_LIMIT) fail(new Error('the call is too large'))
      else pieces.push(piece)
    })
    stream.on('end', done)
    stream.on('close', () => {
      fail(new Error('the call was given up'))
    })
  })
  return Buffer.concat(pieces)
}
