import { request, type IncomingHttpHeaders } from 'node:http'

/** What a virtual host answered. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** What is asked of a virtual host; the defaults make a GET. */
export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The answer is taken for whole when its text matches, and the connection is closed: for streams that do not end. */
  readonly until?: RegExp
}

/** One request to the virtual host `host` at `url`, which `fetch` cannot name. Rejects after 30 s without an end. */
export function askHost(
  url: string,
  host: string,
  path: string,
  asked: Asked = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      method: asked.method ?? 'GET',
      headers: { ...asked.headers, host },
      signal: AbortSignal.timeout(30_000),
      agent: false,
    }
    const outgoing = request(`${url}${path}`, options, (response) => {
      let text = ''
      const end = (): void =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
      response
        .setEncoding('utf8')
        .on('end', end)
        .on('error', reject)
        .on('data', (chunk: string) => {
          text += chunk
          if (asked.until?.test(text) !== true) return
          end()
          outgoing.destroy()
        })
    })
    outgoing.on('error', reject).end(asked.body)
  })
}
