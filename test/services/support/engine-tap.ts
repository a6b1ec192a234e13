import { createServer, request, type Server } from 'node:http'
import type { EngineFrame } from '../../../services/worker/supervisor/engine-client.ts'
import { freePort } from './free-port.ts'

/** Stands between a supervisor and its engine and keeps what the engine's event stream says, in its order. */
export class EngineTap {
  readonly frames: EngineFrame[] = []
  /** Where the engine listens. */
  enginePort = 0
  readonly port: number
  readonly #server: Server

  private constructor(port: number) {
    this.port = port
    this.#server = createServer((incoming, outgoing) => {
      const { method, url, headers } = incoming
      // A connection each: the engine may close one that waits just as it is taken again.
      const to = { port: this.enginePort, host: '127.0.0.1', agent: false } as const
      const options = { ...to, method, path: url, headers: { ...headers, connection: 'close' } }
      const engine = request(options, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, connection: 'close' })
        if (url === '/global/event') this.#keep(answer)
        answer.pipe(outgoing)
      })
      engine.on('error', () => outgoing.destroy())
      outgoing.on('close', () => engine.destroy())
      incoming.pipe(engine)
    })
  }

  static async start(): Promise<EngineTap> {
    const tap = new EngineTap(await freePort())
    await new Promise<void>((resolve) => tap.#server.listen(tap.port, '127.0.0.1', resolve))
    return tap
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
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
