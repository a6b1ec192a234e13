import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ModelLog, Script } from './script.ts'

/** How one provider's API looks on the wire. */
export interface WireFormat {
  /** Path the calls go to, e.g. `/v1/messages`. */
  path: string
  /** The key that a call carries. */
  key(headers: IncomingHttpHeaders): string | undefined
  /** An error body of this API. @param type - The API's own word, e.g. `rate_limit_error`. */
  error(type: string, message: string): object
  /** What the real API refuses today; undefined where it would answer. */
  refuse(headers: IncomingHttpHeaders, body: Record<string, unknown>): Refusal | undefined
  /** Reads the prompt's script out of a call. */
  script(body: Record<string, unknown>): Script
  /** The frames of a streamed answer, in order. */
  frames(body: Record<string, unknown>, script: Script): string[]
  /** The answer to a call that does not stream. */
  whole(body: Record<string, unknown>, script: Script): object
}

/** An error as a provider's API answers it. */
export interface Refusal {
  status: number
  body: object
  headers?: Record<string, string>
}

/** How a scripted model is reached and what it limits. */
export interface ModelServerOptions {
  /** Loopback port; 0 takes a free one. @default 0 */
  port?: number
  /** The only key that is let in; without it any call is. */
  key?: string
  /** Calls that each key may make before 429 with `retry-after: <seconds>`. */
  limit?: { calls: number; retryAfterSeconds: number }
}

/** A running scripted model. */
export interface ModelServer extends ModelLog {
  /** Base URL up to and including `/v1`. */
  url: string
  close(): Promise<void>
}

/** Starts scripted models on one port, one path each. */
export async function startModelServer(
  formats: readonly WireFormat[],
  { port = 0, key, limit }: ModelServerOptions = {},
): Promise<ModelServer> {
  const log: ModelLog = { calls: [], abandoned: 0 }
  const failed = new Map<string, number>()
  const spent = new Map<string, number>()
  /** What is refused before the call's body is looked at. */
  const guard = (format: WireFormat, headers: IncomingHttpHeaders): Refusal | undefined => {
    const given = format.key(headers)
    if (key !== undefined && given !== key)
      return { status: 401, body: format.error('authentication_error', 'invalid api key') }
    if (limit === undefined) return undefined
    const calls = (spent.get(given ?? '') ?? 0) + 1
    spent.set(given ?? '', calls)
    if (calls <= limit.calls) return undefined
    return {
      status: 429,
      body: format.error('rate_limit_error', 'this key has used up its rate'),
      headers: { 'retry-after': limit.retryAfterSeconds.toString() },
    }
  }
  const server = createServer((request, response) => {
    void answer({ formats, guard, log, failed, request, response }).catch(() => {
      response.destroy()
    })
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  const { port: bound } = server.address() as AddressInfo
  const close = () =>
    new Promise<void>((done) => {
      server.close(() => {
        done()
      })
      server.closeAllConnections()
    })
  return Object.assign(log, { url: `http://127.0.0.1:${bound.toString()}/v1`, close })
}

interface Call {
  formats: readonly WireFormat[]
  guard(format: WireFormat, headers: IncomingHttpHeaders): Refusal | undefined
  log: ModelLog
  failed: Map<string, number>
  request: IncomingMessage
  response: ServerResponse
}

async function answer({ formats, guard, log, failed, request, response }: Call): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const format = formats.find(({ path }) => path === request.url)
  if (format === undefined) {
    response.writeHead(404).end()
    return
  }
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
  log.calls.push({ path: format.path, headers: request.headers, body })
  const refusal = guard(format, request.headers) ?? format.refuse(request.headers, body)
  if (refusal !== undefined) {
    sendJson(response, refusal)
    return
  }
  const script = format.script(body)
  const key = JSON.stringify(body['messages'] ?? body['input'])
  if (script.fail && (failed.get(key) ?? 0) < script.fail.times) {
    const { status } = script.fail
    failed.set(key, (failed.get(key) ?? 0) + 1)
    const message = `scripted failure ${status.toString()}`
    sendJson(response, { status, body: format.error('scripted_failure', message) })
    return
  }
  let left = false
  response.on('close', () => {
    if (response.writableFinished) return
    left = true
    log.abandoned += 1
  })
  if (script.reset) {
    response.destroy()
    return
  }
  if (script.silentMilliseconds > 0) {
    const leaving = new Promise((done) => response.on('close', done))
    if (script.silentMilliseconds === Number.POSITIVE_INFINITY) await leaving
    else await Promise.race([sleep(script.silentMilliseconds), leaving])
  }
  if (left) return
  if (body['stream'] !== true) {
    sendJson(response, { status: 200, body: format.whole(body, script) })
    return
  }
  await streamFrames(format.frames(body, script), script, response)
}

function sendJson(response: ServerResponse, { status, body, headers = {} }: Refusal): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(body))
}

async function streamFrames(
  frames: string[],
  script: Script,
  response: ServerResponse,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const middle = Math.ceil(frames.length / 2)
  for (const [index, frame] of frames.entries()) {
    if (response.destroyed) return
    if (index === middle && script.disconnect) {
      response.destroy()
      return
    }
    if (index === middle && script.truncate) break
    // Sent before what follows: a connection that is dropped takes what is still buffered with it.
    await new Promise<void>((done) =>
      response.write(frame, () => {
        done()
      }),
    )
    if (index === 1 && script.stall) {
      await new Promise((done) => response.on('close', done))
      return
    }
    if (script.slowMilliseconds > 0) await sleep(script.slowMilliseconds / frames.length)
  }
  response.end()
}
