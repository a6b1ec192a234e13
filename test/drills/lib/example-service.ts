import { existsSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How an example service is wrong on purpose. */
export interface Faults {
  /** Acknowledges every n-th write and forgets it. */
  readonly forgets?: number
  /** Leaves every n-th event out of the streams. */
  readonly skips?: number
}

/** A service with as much of the API as a drill uses: what the oracle itself is tested against. */
export interface ExampleService {
  readonly url: string
  stop(): Promise<void>
}

/** Starts one that answers 503 while a file is there. */
export async function startExampleService(
  down: string,
  { forgets = 0, skips = 0 }: Faults = {},
): Promise<ExampleService> {
  const titles: string[] = []
  const streams = new Set<ServerResponse>()
  let written = 0
  const nth = (every: number): boolean => every > 0 && written % every === 0
  const create = (title: string): string => {
    written += 1
    const id = `ses_${written}`
    if (!nth(forgets)) titles.push(title)
    if (!nth(skips))
      for (const stream of streams) stream.write(`id: ${written}\ndata: {"session":"${id}"}\n\n`)
    return id
  }
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://service')
    if (existsSync(down)) return void response.writeHead(503).end()
    if (url.pathname === '/event') {
      streams.add(response.writeHead(200, { 'content-type': 'text/event-stream' }))
      return void response.write('data: {}\n\n')
    }
    let body = ''
    request
      .on('data', (chunk: Buffer) => (body += chunk.toString()))
      .on('end', () => {
        const found = titles
          .filter((title) => title.includes(url.searchParams.get('search') ?? ''))
          .map((title) => ({ title }))
        const answer =
          request.method === 'POST'
            ? { id: create((JSON.parse(body) as { title: string }).title) }
            : found
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
      })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
