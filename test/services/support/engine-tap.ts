import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { EngineFrame } from '../../../services/worker/sandbox.ts'
import { freePort } from './free-port.ts'

/** Stands between agents and their engines and keeps what the engines' event streams say, each in its order. */
export class EngineTap {
  readonly frames: EngineFrame[] = []
  readonly #servers: Server[] = []

  /** @returns the port that stands for an engine's. */
  async before(enginePort: number): Promise<number> {
    const port = await freePort()
    const server = createServer((incoming, outgoing) => {
      this.#pass(enginePort, incoming, outgoing)
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    this.#servers.push(server)
    return port
  }

  close(): void {
    for (const server of this.#servers) {
      server.closeAllConnections()
      server.close()
    }
  }

  #pass(enginePort: number, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url, headers } = incoming
    // A connection each: the engine may close one that waits just as it is taken again.
    const to = { port: enginePort, host: '127.0.0.1', agent: false } as const
    const options = { ...to, method, path: url, headers: { ...headers, connection: 'close' } }
    const engine = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, connection: 'close' })
      if (url === '/global/event') this.#keep(answer)
      answer.pipe(outgoing)
    })
    engine.on('error', () => outgoing.destroy())
    outgoing.on('close', () => engine.destroy())
    incoming.pipe(engine)
  }

  #keep(stream: NodeJS.ReadableStream): void {
    let rest = ''
    const decoder = new TextDecoder()
    stream.on('data', (chunk: Buffer) => {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines)
        if (line.startsWith('data:')) this.frames.push(JSON.parse(line.slice(5)) as EngineFrame)
    })
  }
}
