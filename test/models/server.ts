import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ModelLog, Script } from './script.ts'

/** How one provider's API looks on the wire. */
export interface WireFormat {
  /** Path the calls go to, e.g. `/v1/messages`. */
  path: string
  /** Reads the prompt's script out of a call. */
  script(body: Record<string, unknown>): Script
  /** The frames of a streamed answer, in order. */
  frames(body: Record<string, unknown>, script: Script): string[]
  /** The answer to a call that does not stream. */
  whole(body: Record<string, unknown>, script: Script): object
}

/** A running scripted model. */
export interface ModelServer extends ModelLog {
  /** Base URL up to and including `/v1`. */
  url: string
  close(): Promise<void>
}

/** Starts a scripted model on a free loopback port, or on `port`. */
export async function startModelServer(format: WireFormat, port = 0): Promise<ModelServer> {
  const log: ModelLog = { calls: [], abandoned: 0 }
  const failed = new Map<string, number>()
  const server = createServer((request, response) => {
    void answer(format, log, failed, request, response).catch(() => {
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

async function answer(
  format: WireFormat,
  log: ModelLog,
  failed: Map<string, number>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  if (request.url !== format.path) {
    response.writeHead(404).end()
    return
  }
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
  log.calls.push({ path: request.url, headers: request.headers, body })
  const script = format.script(body)
  const key = JSON.stringify(body['messages'])
  if (script.fail && (failed.get(key) ?? 0) < script.fail.times) {
    failed.set(key, (failed.get(key) ?? 0) + 1)
    response.writeHead(script.fail.status, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({
        type: 'error',
        error: {
          type: 'scripted_failure',
          message: `scripted failure ${script.fail.status.toString()}`,
        },
      }),
    )
    return
  }
  if (body['stream'] !== true) {
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify(format.whole(body, script)))
    return
  }
  await streamFrames(format.frames(body, script), script, log, response)
}

async function streamFrames(
  frames: string[],
  script: Script,
  log: ModelLog,
  response: ServerResponse,
): Promise<void> {
  let left = false
  response.on('close', () => {
    if (!response.writableFinished) {
      left = true
      log.abandoned += 1
    }
  })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const middle = Math.ceil(frames.length / 2)
  for (const [index, frame] of frames.entries()) {
    if (left) return
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
