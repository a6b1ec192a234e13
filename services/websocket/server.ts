import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { checkEdgeProof } from '../runtime/edge-proof.ts'
import { errorFields, type Logger } from '../runtime/logger.ts'
import type { Metrics } from '../runtime/metrics.ts'
import { addressOf } from '../runtime/people/address.ts'
import { cookieHeader, readCookie, type HeaderReader } from '../runtime/people/cookie.ts'
import type { Identity } from '../runtime/people/identity.ts'
import type { People } from '../runtime/people/people.ts'
import type { Refusals } from '../runtime/people/refusals.ts'
import { Problem } from '../runtime/problem.ts'
import type { ApiClient } from './api-client.ts'
import { closeCodes, Connection, type ConnectionLimits } from './connection.ts'
import type { EventLog } from './event-log.ts'
import type { Feeds } from './feed.ts'

/** What a {@link WebSocketService} is made of. */
export interface WebSocketServiceOptions {
  readonly people: People
  readonly refusals: Refusals
  /** Proxies in front that append to `X-Forwarded-For`. @default 1 */
  readonly trustedProxies?: number
  readonly log: EventLog
  readonly feeds: Feeds
  readonly api: ApiClient
  readonly metrics: Metrics
  readonly logger: Logger
  readonly region: string
  readonly edgeSecret?: string | undefined
  /** Says whether PostgreSQL and Redis are there. */
  readonly ready: () => Promise<Record<string, boolean>>
  readonly limits?: Partial<ConnectionLimits>
  /** Largest message of a client, bytes. @default 4 MiB */
  readonly maxMessageBytes?: number
}

const defaults: ConnectionLimits = {
  maxBufferedBytes: 2 ** 20,
  maxCalls: 16,
  pingIntervalMs: 15_000,
}

/** Time a client is asked to wait before it reconnects, milliseconds; spread, so that not all come at once. */
function reconnectDelay(): number {
  return Math.round(5000 * (0.8 + 0.4 * Math.random()))
}

/** The WebSocket endpoint `/ws` with its health checks. */
export class WebSocketService {
  readonly #options: WebSocketServiceOptions
  readonly #http: Server
  readonly #sockets: WebSocketServer
  readonly #connections = new Set<Connection>()
  #draining = false

  constructor(options: WebSocketServiceOptions) {
    this.#options = Object.freeze({ ...options })
    options.people.standing.listen((isOut) => {
      for (const connection of this.#connections)
        if (isOut(connection.identity))
          connection.close(closeCodes.expired, { error: 'you are not signed in any more' })
    })
    this.#http = createServer((request, response) => {
      void this.#answer(request.url?.split('?')[0] ?? '/').then(({ status, body }) => {
        const connection = this.#draining ? { connection: 'close', 'x-opencode-draining': '1' } : {}
        response
          .writeHead(status, {
            'content-type': 'application/json',
            'cache-control': 'no-store',
            ...connection,
          })
          .end(JSON.stringify(body))
      })
    })
    this.#sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes ?? 4 * 2 ** 20,
      clientTracking: false,
      // Never echoes the protocol that carries the token.
      handleProtocols: (offered) => (offered.has('opencode') ? 'opencode' : false),
    })
    this.#http.on('upgrade', (request, socket, head) => {
      void this.#upgrade(request, socket, head)
    })
  }

  /** @returns the port, which differs where 0 was asked for */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject).listen(port, resolve)
    })
    const address = this.#http.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }

  /** Tells every client when to come back, lets calls under way finish, closes with 1012. */
  async drain(deadline: number): Promise<void> {
    this.#draining = true
    this.#options.metrics.draining.set(1)
    this.#http.close()
    for (const connection of this.#connections)
      connection.notify('server.shutdown', { reconnectIn: reconnectDelay() })
    while (this.#connections.size > 0 && Date.now() < deadline) {
      for (const connection of this.#connections) {
        if (!connection.busy)
          connection.close(closeCodes.restart, { reconnectIn: reconnectDelay() })
      }
      await sleep(100)
    }
    for (const connection of this.#connections)
      connection.close(closeCodes.restart, { reconnectIn: reconnectDelay() })
    await sleep(50)
    this.#http.closeAllConnections()
  }

  async #answer(path: string): Promise<{ status: number; body: object }> {
    const { ready, region } = this.#options
    if (path === '/health' || path === '/health/live')
      return { status: 200, body: { status: 'ok', region } }
    if (path !== '/health/ready') {
      const problem = new Problem(
        404,
        `there is nothing at "${path.slice(0, 200)}"; connect to /ws`,
      )
      return { status: 404, body: problem.toJSON() }
    }
    const checks = await ready().catch(() => ({}))
    const good =
      !this.#draining && Object.values(checks).length > 0 && Object.values(checks).every(Boolean)
    return {
      status: good ? 200 : 503,
      body: {
        status: good ? 'ready' : this.#draining ? 'draining' : 'unavailable',
        region,
        checks,
      },
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => {
      socket.destroy()
    })
    const started = performance.now()
    let status = 101
    try {
      const url = new URL(request.url ?? '/', 'http://localhost')
      if (url.pathname !== '/ws') throw new Problem(404, 'connect to /ws')
      if (this.#draining) throw draining()
      this.#checkEdge(request)
      const header = headerReader(request)
      const identity = await this.#identify(request, header)
      const after = resumePoint(url.searchParams.get('after') ?? request.headers['last-event-id'])
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        void this.#connect(
          new Connection({
            socket: webSocket,
            identity,
            credential: credentialOf(header),
            log: this.#options.log,
            api: this.#options.api,
            limits: { ...defaults, ...this.#options.limits },
            directory: url.searchParams.get('directory') ?? undefined,
          }),
          identity,
          after,
          webSocket,
        )
      })
    } catch (error) {
      const problem =
        error instanceof Problem
          ? error
          : new Problem(500, 'the connection could not be made; try again', { cause: error })
      if (problem.status >= 500 && !this.#draining)
        this.#options.logger.error(errorFields(error), 'upgrade failed')
      status = problem.status
      await refuse(socket, problem)
    }
    this.#options.metrics.httpRequests.inc({
      method: 'GET',
      path: '/ws',
      status: status.toString(),
    })
    this.#options.metrics.httpDuration.observe(
      { method: 'GET', path: '/ws' },
      (performance.now() - started) / 1000,
    )
  }

  async #connect(
    connection: Connection,
    identity: Identity,
    after: number | undefined,
    socket: { once(event: 'close', listener: () => void): unknown },
  ) {
    const { feeds, metrics, logger } = this.#options
    this.#connections.add(connection)
    metrics.websocketConnections.set(this.#connections.size)
    socket.once('close', () => {
      this.#connections.delete(connection)
      metrics.websocketConnections.set(this.#connections.size)
      void feeds.leave(identity.tenant, connection)
    })
    try {
      await connection.start(await feeds.join(identity.tenant, connection), after)
    } catch (error) {
      logger.warn(
        { tenant: identity.tenant, ...errorFields(error) },
        'a connection could not start',
      )
      connection.close(closeCodes.unavailable, {
        error: 'events cannot be read now',
        reconnectIn: reconnectDelay(),
      })
    }
  }

  /** @throws Problem 401, which is written down, 403 */
  async #identify(request: IncomingMessage, header: HeaderReader): Promise<Identity> {
    const { people, refusals, metrics, trustedProxies = 1 } = this.#options
    try {
      return await people.identify({ method: 'GET', header, upgrade: true })
    } catch (error) {
      if (error instanceof Problem && error.status === 401 && header('authorization')) {
        metrics.signIns.inc({ outcome: 'refused' })
        const address = addressOf(header, request.socket.remoteAddress, trustedProxies)
        await refusals.note({ address, object: 'token', requestID: header('x-request-id') })
      }
      throw error
    }
  }

  #checkEdge(request: IncomingMessage): void {
    const { edgeSecret } = this.#options
    if (edgeSecret === undefined) return
    const header = (name: string): string => String(request.headers[name] ?? '')
    const proven = {
      method: 'GET',
      host: header('host'),
      path: request.url ?? '/',
      requestID: header('x-request-id'),
    }
    if (!checkEdgeProof(edgeSecret, proven, header('x-opencode-edge')))
      throw new Problem(403, 'connect through the public host name')
  }
}

/**
 * Headers of a handshake. A browser can set none on a WebSocket, so a page may offer its token as the protocol `bearer.<token>`
 * beside `opencode`.
 */
function headerReader({ headers }: IncomingMessage): HeaderReader {
  const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  const bearer = protocols.find((protocol) => protocol.startsWith('bearer.'))
  return (name) => {
    const value = headers[name]
    if (name === 'authorization' && value === undefined && bearer !== undefined)
      return `Bearer ${bearer.slice('bearer.'.length)}`
    return Array.isArray(value) ? value.join(', ') : value
  }
}

/** What the client's calls are sent on with: the API checks it again. */
function credentialOf(header: HeaderReader): Record<string, string> {
  const authorization = header('authorization')
  if (authorization !== undefined) return { authorization }
  const secret = readCookie(header)
  // The handshake has shown that the cookie is not borrowed by another site's page.
  return secret === undefined
    ? {}
    : { cookie: cookieHeader(secret), 'sec-fetch-site': 'same-origin' }
}

function draining(): Problem {
  return new Problem(503, 'this server is going away; try again', {
    headers: { 'x-opencode-draining': '1', 'retry-after': '1' },
  })
}

function resumePoint(text: string | string[] | null | undefined): number | undefined {
  if (text === null || text === undefined || text === '') return undefined
  const seq = Number(text)
  if (!Number.isSafeInteger(seq) || seq < 0)
    throw new Problem(400, '"after" must be the whole number of the last event you have')
  return seq
}

function refuse(socket: Duplex, problem: Problem): Promise<void> {
  const body = JSON.stringify(problem.toJSON())
  const headers = {
    ...problem.headers,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body).toString(),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return new Promise((resolve) => {
    socket.end(
      `HTTP/1.1 ${problem.status.toString()} ${String(problem.toJSON()['title'])}\r\n${lines.join('\r\n')}\r\n\r\n${body}`,
      resolve,
    )
    socket.once('close', resolve)
  })
}
