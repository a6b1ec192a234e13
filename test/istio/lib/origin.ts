import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

/** What an origin does with a request. */
export type Behaviour = 'answer' | 'refuse' | 'hang'

/** A program behind a sidecar: it says who it is, and fails when it is told to. */
export class Origin {
  readonly name: string
  /** What it does with the next requests, the last one with all that follow. */
  behaviours: Behaviour[] = ['answer']
  /** Requests that reached it, as `GET /path`. */
  readonly requests: string[] = []
  readonly #server: Server

  constructor(name: string) {
    this.name = name
    this.#server = createServer((request, response) => this.#serve(request, response))
    new WebSocketServer({ server: this.#server }).on('connection', (socket, request) => {
      this.#note(request)
      socket.send(name)
    })
  }

  /** Starts it on a free loopback port, which is returned. */
  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #note(request: IncomingMessage): void {
    this.requests.push(`${request.method} ${request.url}`)
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.#note(request)
    const behaviour = this.behaviours.length > 1 ? this.behaviours.shift() : this.behaviours[0]
    if (behaviour === 'hang') return
    response.writeHead(behaviour === 'refuse' ? 503 : 200, { 'x-origin': this.name })
    // A stream goes on: what has been written must have reached the client before its end.
    if (request.url?.startsWith('/event') === true) response.write('data: first\n\n')
    else response.end(this.name)
  }
}
