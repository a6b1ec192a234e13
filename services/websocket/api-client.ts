import { randomUUID } from 'node:crypto'
import { Agent, request } from 'undici'
import { z } from 'zod'
import { signEdgeProof } from '../runtime/edge-proof.ts'
import { Problem } from '../runtime/problem.ts'

/** A call a client makes over its connection. */
export const callSchema = z.strictObject({
  /** Chosen by the client; comes back in `reply`. */
  id: z.string().min(1).max(64),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  /** Path and query, e.g. `/session/ses_…/message`. */
  path: z.string().startsWith('/').max(2048),
  body: z.unknown().optional(),
})

/** A {@link callSchema checked} call. */
export type Call = z.infer<typeof callSchema>

/** Largest answer that is handed on, bytes. */
const MAX_ANSWER = 32 * 2 ** 20

/** Passes calls on to the API, which checks the credential again and applies every limit: there is one place that does. */
export class ApiClient {
  readonly #base: URL | undefined
  readonly #edgeSecret: string | undefined
  // A turn may take an hour before its first byte.
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connections: 256 })

  constructor(base: string | undefined, edgeSecret?: string) {
    this.#base = base === undefined || base === '' ? undefined : new URL(base)
    this.#edgeSecret = edgeSecret
  }

  /** @throws Problem for what cannot be called this way */
  async call(
    { method, path, body }: Call,
    credential: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ status: number; body: unknown }> {
    if (this.#base === undefined)
      throw new Problem(
        501,
        'this endpoint only sends events: API_URL is not set. Send the request over HTTP.',
      )
    const url = new URL(path, this.#base)
    if (
      url.origin !== this.#base.origin ||
      /^\/+(internal|ws|event|global\/event|health)(\/|$)/.test(decodeURIComponent(url.pathname))
    ) {
      throw new Problem(404, `"${url.pathname}" cannot be called over a WebSocket`)
    }
    const answer = await request(url, {
      method,
      signal,
      dispatcher: this.#agent,
      headers: this.#headers(method, url, credential, body !== undefined),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_ANSWER)
        throw new Problem(
          413,
          'the answer is too large for a WebSocket message. Send the request over HTTP.',
        )
      chunks.push(chunk)
    }
    const text = Buffer.concat(chunks).toString()
    const json = /\bjson\b/.test(String(answer.headers['content-type'] ?? ''))
    return {
      status: answer.statusCode,
      body: json && text !== '' ? (JSON.parse(text) as unknown) : text,
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  #headers(
    method: string,
    url: URL,
    credential: Readonly<Record<string, string>>,
    hasBody: boolean,
  ): Record<string, string> {
    const headers: Record<string, string> = {
      ...credential,
      'x-request-id': randomUUID(),
    }
    if (hasBody) headers['content-type'] = 'application/json'
    if (this.#edgeSecret === undefined) return headers
    const proven = {
      method,
      host: url.host,
      path: url.pathname + url.search,
      requestID: headers['x-request-id'] ?? '',
    }
    return { ...headers, 'x-opencode-edge': signEdgeProof(this.#edgeSecret, proven) }
  }
}
