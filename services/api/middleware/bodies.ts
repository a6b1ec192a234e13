import type { IncomingMessage } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import { strangers } from '../../runtime/people/credentials.ts'
import { Problem } from '../../runtime/problem.ts'
import type { ApiContext, Env } from '../context.ts'

/** Bytes of a body that carries no files. */
const PLAIN = 2 ** 20

/** Routes whose bodies may carry files. */
const files = /^\/session\/[^/]+\/(message|prompt_async|command|message\/[^/]+\/part\/[^/]+)$/

/** Bounds of {@link Bodies}. */
export interface BodyLimits {
  /** Largest body of a route that carries files, bytes; 1 MiB is the limit of every other. */
  maxBodyBytes: number
  /** Bytes of bodies that the process holds at once; one tenant gets half of them. */
  bufferedBodyBytes: number
}

/** Receives request bodies of callers that are known already, and counts what the process holds of them. */
export class Bodies {
  readonly #limits: BodyLimits
  readonly #held = new Map<string, number>()
  #total = 0

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /** Bytes held now. */
  get total(): number {
    return this.#total
  }

  /** Bodies of clients: 1 MiB, more where files may be in it. */
  ofClients(): MiddlewareHandler<Env> {
    return (context, next) => {
      const { maxBodyBytes } = this.#limits
      const limit = files.test(context.req.path) ? maxBodyBytes : Math.min(PLAIN, maxBodyBytes)
      return this.#receive(context, limit, context.get('identity').tenant, next)
    }
  }

  /** Bodies of those whom nobody knows yet: a link's secret. */
  ofStrangers(): MiddlewareHandler<Env> {
    return (context, next) => this.#receive(context, 1_024, strangers, next)
  }

  /** Bodies of workers: the engine repeats a prompt's files in its events, beside what is its own. */
  ofWorkers(): MiddlewareHandler<Env> {
    return (context, next) => {
      const limit = 2 * this.#limits.maxBodyBytes + PLAIN
      return this.#receive(context, limit, context.get('identity').tenant, next)
    }
  }

  /** Bodies of what a worker says of all its turns at once: nobody's share. */
  ofHeartbeats(): MiddlewareHandler<Env> {
    return (context, next) => this.#receive(context, PLAIN, '', next)
  }

  async #receive(
    context: ApiContext,
    limit: number,
    tenant: string,
    next: () => Promise<void>,
  ): Promise<void> {
    const { incoming } = context.env as { incoming: IncomingMessage }
    const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers
    const isEmpty = encoding === undefined && Number(length ?? 0) === 0
    if (isEmpty || context.req.method === 'GET' || context.req.method === 'HEAD') return next()
    if (Number(length ?? 0) > limit) throw tooLarge(limit)
    let held = 0
    const release = () => {
      this.#hold(tenant, -held)
      held = 0
      context.req.bodyCache = {}
    }
    context.set('releaseBody', release)
    try {
      const chunks = await read(incoming, (bytes) => {
        if (held + bytes > limit) throw tooLarge(limit)
        this.#checkRoom(tenant, bytes)
        this.#hold(tenant, bytes)
        held += bytes
      })
      Object.assign(context.req.bodyCache, {
        text: Promise.resolve(Buffer.concat(chunks).toString()),
      })
      await next()
    } finally {
      release()
    }
  }

  #checkRoom(tenant: string, bytes: number): void {
    const { bufferedBodyBytes } = this.#limits
    const headers = { 'retry-after': '1' }
    if (this.#total + bytes > bufferedBodyBytes)
      throw new Problem(503, 'this server is receiving as much as it can hold; try again', {
        type: 'too-many-bodies',
        headers,
      })
    if ((this.#held.get(tenant) ?? 0) + bytes > bufferedBodyBytes / 2)
      throw new Problem(429, 'your tenant is sending more at once than its share; try again', {
        type: 'too-many-bodies',
        headers,
      })
  }

  #hold(tenant: string, bytes: number): void {
    this.#total += bytes
    const held = (this.#held.get(tenant) ?? 0) + bytes
    if (held === 0) this.#held.delete(tenant)
    else this.#held.set(tenant, held)
  }
}

/**
 * Reads a body to its end. What is left of one that is refused is thrown away while the answer is sent.
 * @param count - Called with each chunk's bytes before they are kept. @throws what it throws
 */
function read(incoming: IncomingMessage, count: (bytes: number) => void): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const settle = (end: () => void) => {
      incoming.off('data', onData).off('end', onEnd).off('error', onLost).off('close', onLost)
      end()
    }
    const onData = (chunk: Buffer) => {
      try {
        count(chunk.length)
        chunks.push(chunk)
      } catch (error) {
        settle(() => {
          incoming.pause()
          reject(error as Error)
        })
      }
    }
    const onEnd = () => {
      settle(() => {
        resolve(chunks)
      })
    }
    const onLost = () => {
      settle(() => {
        reject(new Problem(400, 'the connection ended before the body did'))
      })
    }
    incoming.on('data', onData).on('end', onEnd).on('error', onLost).on('close', onLost)
    if (incoming.destroyed) onLost()
  })
}

function tooLarge(limit: number): Problem {
  return new Problem(413, `the body is larger than ${limit.toString()} bytes, the limit`, {
    type: 'body-too-large',
  })
}
