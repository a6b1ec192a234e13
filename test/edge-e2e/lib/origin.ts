import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { freePort } from '../../services/support/free-port.ts'

/** How an origin behaves towards requests other than health checks. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void

/** A region's origin on loopback, which can be told to fail. */
export class Origin {
  readonly region: string
  /** Requests received, health checks left out: method and path. */
  readonly received: string[] = []
  /** Headers of the last request. */
  headers: IncomingMessage['headers'] = {}
  /** Status of the health check. */
  health = 200
  /** Requests whose client left before the answer was complete. */
  aborted = 0
  behaviour: Behaviour
  #server: Server | undefined
  #port = 0
  readonly #sockets = new Set<Socket>()

  constructor(region: string) {
    this.region = region
    this.behaviour = this.ok
  }

  /** Answers with the region's name. */
  ok: Behaviour = (request, response) => {
    request.resume().on('end', () => {
      response
        .writeHead(200, { 'content-type': 'application/json', 'x-region': this.region })
        .end(JSON.stringify({ region: this.region, path: request.url }))
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port.toString()}`
  }

  /** Starts, on the same port as before. */
  async start(): Promise<this> {
    const server = createServer((request, response) => {
      if (request.url === '/health') {
        response.writeHead(this.health).end()
        return
      }
      this.received.push(`${request.method ?? ''} ${request.url ?? ''}`)
      this.headers = request.headers
      response.on('close', () => {
        if (!response.writableFinished) this.aborted += 1
      })
      this.behaviour(request, response)
    })
    // As Envoy, which keeps connections for an hour: one that closes just as a request is sent on it would lose the request.
    server.keepAliveTimeout = 3_600_000
    const sockets = new WebSocketServer({ noServer: true })
    server.on('upgrade', (request, socket, head) => {
      this.headers = request.headers
      sockets.handleUpgrade(request, socket, head, (client) => {
        client.on('message', (data, binary) => {
          client.send(data, { binary })
        })
      })
    })
    server.on('connection', (socket) => {
      this.#sockets.add(socket.on('close', () => this.#sockets.delete(socket)))
    })
    if (this.#port === 0) this.#port = await freePort()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(this.#port, '127.0.0.1', resolve)
    })
    this.#server = server
    return this
  }

  /** Dies: connections are cut, new ones refused. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (
        this.#server?.close(() => {
          resolve()
        }) === undefined
      )
        resolve()
    })
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
    this.#server = undefined
  }
}
