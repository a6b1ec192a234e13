import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import type { z } from 'zod'
import { SandboxLost } from './errors.ts'

/** Time a sandbox has to take a connection, ms. */
const CONNECT_TIMEOUT = 5_000
/** Time between two pings, ms. */
const PING_INTERVAL = 1_000
/** Longest answer that is read as a whole, bytes. */
const ANSWER_LIMIT = 256 * 2 ** 20

/** What a call to the agent may say. */
export interface CallOptions {
  body?: unknown
  headers?: OutgoingHttpHeaders
  signal?: AbortSignal
}

/** The one connection to a sandbox. What comes over it is an attacker's word: read within limits, checked by the caller's schema. */
export class SandboxConnection {
  readonly #session: ClientHttp2Session
  readonly #silence: number
  #lost: SandboxLost | undefined
  #onLost: (error: SandboxLost) => void = () => undefined

  private constructor(session: ClientHttp2Session, silence: number) {
    this.#session = session
    this.#silence = silence
    session.on('error', () => undefined)
    session.on('close', () => {
      this.#lose(new SandboxLost('gone', 'the sandbox ended'))
    })
    void this.#watch()
  }

  /**
   * @param address - `host:port`
   * @param silence - Time without an answer to a ping after which the sandbox is lost, ms.
   * @throws SandboxLost `unreached`
   */
  static async dial(address: string, silence: number): Promise<SandboxConnection> {
    const session = connect(`http://${address}`, { settings: { enablePush: false } })
    await new Promise<void>((done, fail) => {
      const late = setTimeout(() => {
        session.destroy()
        fail(new SandboxLost('unreached', 'the sandbox takes no connection'))
      }, CONNECT_TIMEOUT)
      session.once('error', (cause) => {
        clearTimeout(late)
        fail(new SandboxLost('unreached', 'the sandbox cannot be reached', { cause }))
      })
      session.once('connect', () => {
        clearTimeout(late)
        done()
      })
    })
    return new SandboxConnection(session, silence)
  }

  /** Is told once when the sandbox is lost; at once where it is already. */
  onLost(listener: (error: SandboxLost) => void): void {
    this.#onLost = listener
    if (this.#lost !== undefined) listener(this.#lost)
  }

  /** Ends the connection; the sandbox goes on. */
  close(): void {
    this.#onLost = () => undefined
    this.#session.destroy()
  }

  /** Sends JSON and reads a JSON answer. @throws SandboxLost, also for an answer that is not as it should be */
  async json<S extends z.ZodType>(
    method: string,
    path: string,
    schema: S,
    { body, headers = {}, signal }: CallOptions = {},
  ): Promise<z.infer<S>> {
    const stream = this.#open({ ...headers, ':method': method, ':path': path }, signal)
    stream.end(body === undefined ? undefined : JSON.stringify(body))
    const status = await this.#status(stream)
    const text = await readAll(stream)
    if (this.#lost !== undefined) throw this.#lost
    if (status < 200 || status > 299) throw refused(status, path)
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      // The parser's own message would quote the text.
      throw new SandboxLost('unusable', `the sandbox answered ${nameOf(path)} with broken JSON`)
    }
    const checked = schema.safeParse(value)
    if (!checked.success)
      throw new SandboxLost('unusable', `the sandbox answered ${nameOf(path)} in no known form`)
    return checked.data
  }

  /** Sends a body as it comes. */
  async upload(path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const stream = this.#open({ ':method': 'PUT', ':path': path })
    const sent = (async () => {
      for await (const piece of source) {
        if (stream.destroyed) break
        if (!stream.write(piece))
          await new Promise((done) => stream.once('drain', done).once('close', done))
      }
      stream.end()
    })()
    const status = await this.#status(stream)
    await readAll(stream)
    await sent
    if (status !== 200) throw refused(status, path)
  }

  /** Reads a body as it comes. It fails where it was cut off; a body `whole` must say so at its end. */
  async download(
    path: string,
    { whole = false, signal }: { whole?: boolean; signal?: AbortSignal } = {},
  ): Promise<AsyncIterable<Buffer>> {
    const stream = this.#open({ ':method': 'GET', ':path': path }, signal)
    let isWhole = false
    stream.on('trailers', (trailers) => {
      isWhole = trailers['x-whole'] === '1'
    })
    stream.end()
    const status = await this.#status(stream)
    if (status !== 200) throw refused(status, path)
    return (async function* () {
      for await (const piece of stream) yield piece as Buffer
      if (whole && !isWhole) throw new SandboxLost('gone', 'the sandbox sent half an answer')
    })()
  }

  /** Opens a stream whose answer comes when the sandbox has something to say. @returns undefined when the connection is over */
  park(path: string): ClientHttp2Stream | undefined {
    if (this.#session.destroyed || this.#session.closed) return undefined
    return this.#open({ ':method': 'POST', ':path': path })
  }

  #open(headers: OutgoingHttpHeaders, signal?: AbortSignal): ClientHttp2Stream {
    if (this.#lost !== undefined) throw this.#lost
    signal?.throwIfAborted()
    const stream = this.#session.request(headers, { endStream: false })
    stream.on('error', () => undefined)
    const stop = () => {
      stream.close(constants.NGHTTP2_CANCEL)
    }
    signal?.addEventListener('abort', stop)
    stream.on('close', () => {
      signal?.removeEventListener('abort', stop)
    })
    return stream
  }

  #status(stream: ClientHttp2Stream): Promise<number> {
    return new Promise((done, fail) => {
      stream.on('response', (headers) => {
        done(Number(headers[':status']))
      })
      stream.on('close', () => {
        fail(this.#lost ?? new SandboxLost('gone', 'the sandbox broke a request off'))
      })
    })
  }

  async #watch(): Promise<void> {
    let heard = performance.now()
    while (!this.#session.destroyed) {
      const asked = performance.now()
      this.#session.ping((error) => {
        if (error === null) heard = performance.now()
      })
      await sleep(PING_INTERVAL, undefined, { ref: false })
      // A pause of this process is no silence of the other's.
      if (performance.now() - asked > 2 * PING_INTERVAL) heard = performance.now()
      if (performance.now() - heard < this.#silence) continue
      this.#lose(new SandboxLost('silent', 'the sandbox did not answer any more'))
      this.#session.destroy()
    }
  }

  #lose(error: SandboxLost): void {
    if (this.#lost !== undefined) return
    this.#lost = error
    this.#onLost(error)
  }
}

function refused(status: number, path: string): SandboxLost {
  return new SandboxLost('unusable', `the sandbox answered ${status.toString()} to ${nameOf(path)}`)
}

/** Without what a query says of directories. */
function nameOf(path: string): string {
  return path.split('?')[0] ?? ''
}

async function readAll(stream: ClientHttp2Stream): Promise<string> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of stream) {
    size += (piece as Buffer).length
    if (size > ANSWER_LIMIT) {
      stream.close(constants.NGHTTP2_CANCEL)
      throw new SandboxLost(
        'unusable',
        `the sandbox's answer is larger than ${ANSWER_LIMIT.toString()} bytes`,
      )
    }
    pieces.push(piece as Buffer)
  }
  return Buffer.concat(pieces).toString()
}
