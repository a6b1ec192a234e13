import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { text } from 'node:stream/consumers'
import { answerDemo, type ChatRequest } from '../runtime/demo-model.ts'
import { rehearsalProvider } from '../runtime/engine-config.ts'
import { RelayedAnswer } from './relayed-answer.ts'

/** Longest wait for a worker that takes the call, ms: another one may have to be found first. */
const WAIT = 30_000
const modelCall = /^\/llm\/[a-z0-9-]+\/v1\/(chat\/completions|messages|responses)$/
const kept = ['content-type', 'accept', 'anthropic-version', 'anthropic-beta'] as const

/** A model call of the engine that waits for its answer. */
interface Call {
  path: string
  headers: Record<string, string>
  body: string
  response: ServerResponse
  /** How often it has been given to a worker. */
  sent: number
}

/**
 * Takes the engine's model calls on loopback and gives each to a stream that the worker has parked: the call goes back as the parked
 * request's answer, and the model's answer comes as its body. Nothing here opens a connection.
 */
export class Relay {
  /** Whether rehearsals are answered: only before the sandbox belongs to a session. */
  isRehearsing = true
  readonly #server: Server
  #parked: ServerHttp2Stream[] = []
  #waiting: Call[] = []

  constructor() {
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch(() => {
        response.destroy()
      })
    })
    this.#server.requestTimeout = 0
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((done, fail) => {
      this.#server.once('error', fail).listen(port, '127.0.0.1', done)
    })
  }

  /** Takes a stream that the worker has opened for a call to come. */
  park(stream: ServerHttp2Stream): void {
    stream.on('close', () => {
      this.#parked = this.#parked.filter((other) => other !== stream)
    })
    if (!isOpen(stream)) return
    const call = this.#waiting.shift()
    if (call === undefined) this.#parked.push(stream)
    else this.#send(call, stream)
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (request.method === 'POST' && path === `/${rehearsalProvider}/v1/chat/completions`) {
      if (!this.isRehearsing) {
        refuse(response, 403, 'refused', 'this sandbox belongs to a session')
        return
      }
      await pass(answerDemo(JSON.parse(await text(request)) as ChatRequest), response)
      return
    }
    if (request.method !== 'POST' || !modelCall.test(path)) {
      refuse(response, 404, 'refused', 'only model calls are taken here')
      return
    }
    const headers: Record<string, string> = {}
    for (const name of kept) {
      const value = request.headers[name]
      if (typeof value === 'string') headers[name] = value
    }
    this.#give({ path, headers, body: await text(request), response, sent: 0 })
  }

  #give(call: Call): void {
    // The streams of a lost connection end one after the other.
    this.#parked = this.#parked.filter(isOpen)
    const stream = this.#parked.shift()
    if (stream !== undefined) {
      this.#send(call, stream)
      return
    }
    this.#waiting.push(call)
    const forget = () => {
      this.#waiting = this.#waiting.filter((other) => other !== call)
    }
    const late = setTimeout(() => {
      if (!this.#waiting.includes(call)) return
      forget()
      refuse(call.response, 503, 'no_worker', 'no worker has taken this call')
    }, WAIT)
    call.response.on('close', () => {
      clearTimeout(late)
      forget()
    })
  }

  #send(call: Call, stream: ServerHttp2Stream): void {
    const { response } = call
    call.sent += 1
    const answer = new RelayedAnswer(response)
    stream.respond({
      ':status': 200,
      'x-relay': JSON.stringify({ path: call.path, headers: call.headers }),
    })
    stream.end(call.body)
    const left = () => {
      if (!answer.isWhole) stream.close(constants.NGHTTP2_CANCEL)
    }
    response.on('close', left)
    stream.on('data', (piece: Buffer) => {
      if (!answer.take(piece)) stream.pause()
    })
    response.on('drain', () => stream.resume())
    stream.on('error', () => undefined)
    stream.on('close', () => {
      response.off('close', left)
      if (answer.isWhole || response.destroyed) return
      // Its worker is gone. What the engine has heard nothing of may be asked once more; half an answer must not pass for a whole one.
      if (!response.headersSent && call.sent < 2) this.#give(call)
      else response.destroy()
    })
  }
}

function isOpen(stream: ServerHttp2Stream): boolean {
  const { session } = stream
  return (
    !stream.destroyed &&
    !stream.closed &&
    session !== undefined &&
    !session.destroyed &&
    !session.closed
  )
}

function refuse(response: ServerResponse, status: number, type: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { type, message } }))
}

async function pass(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  if (answer.body !== null)
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>)
      response.write(piece)
  response.end()
}
