import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import {
  beginRequest,
  engineRow,
  relayPlaceholder,
  sandboxProtocol,
  sandboxRequest,
  type BeginAnswer,
  type Project,
} from '../protocol/sandbox.ts'
import type { Engine } from './engine.ts'
import { projectOf } from './project.ts'
import type { Relay } from './relay.ts'
import type { SandboxSettings } from './settings.ts'
import { fileRoots } from './files/roots.ts'
import { SessionFiles } from './files/session-files.ts'
import { endOrphans } from './sweep.ts'
import type { TicketCheck } from './ticket.ts'
import { TurnRequest } from './turn-request.ts'

/** What {@link Agent} works with. */
export interface AgentOptions {
  engine: Engine
  relay: Relay
  tickets: TicketCheck
  settings: SandboxSettings
  log(message: string, fields?: object): void
}

/** The session's directory, and what is known of the files in it. */
interface SessionDirectory {
  path: string
  files: SessionFiles
}

type Handler = (stream: ServerHttp2Stream, query: URLSearchParams) => Promise<void> | void

const heads = z.record(z.string(), z.number().int())

/**
 * The sandbox's side of the one connection. A worker dials and shows its ticket; a newer ticket drops the older connection. Whatever is
 * asked here can be done by a tool as well, so nothing here protects the session from itself.
 */
export class Agent {
  readonly #options: AgentOptions
  readonly #server: Http2Server
  readonly #turn: TurnRequest
  readonly #routes: Record<string, Handler>
  #session: ServerHttp2Session | undefined
  /** Digest of the configuration that the engine has. */
  #config = ''
  #isRestored = false
  #storedFiles: string | undefined
  #sessionDirectory: SessionDirectory | undefined
  /** What the session's directory was when the engine opened it. */
  #opened: string | undefined
  /** Sessions of the engine's log that are nobody's: rehearsals, and forks, which live elsewhere. */
  readonly #disregarded = new Set<string>()
  /** One change of the engine or the files at a time. */
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: AgentOptions) {
    this.#options = options
    this.#turn = new TurnRequest(options.engine)
    this.#routes = this.#makeRoutes()
    this.#server = createServer({ settings: { maxConcurrentStreams: 200 } })
    this.#server.on('session', (session) => {
      session.on('error', () => undefined)
    })
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined)
      this.#serve(stream, headers).catch((error: unknown) => {
        answer(stream, 500, { message: error instanceof Error ? error.message : String(error) })
      })
    })
  }

  /** Whether it belongs to a session. */
  get isTaken(): boolean {
    return this.#session !== undefined
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((done, fail) => {
      this.#server.once('error', fail).listen(port, done)
    })
  }

  /** Starts the engine ahead of its session. */
  async start(config: object): Promise<void> {
    await this.#inTurn(() => this.#startEngine(config))
  }

  /** Leaves what the engine's log has now out of everything that is said of it. */
  async disregard(): Promise<void> {
    for (const { aggregate_id } of await this.#rows({})) this.#disregarded.add(aggregate_id)
  }

  async #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const url = new URL(headers[':path'] ?? '/', 'http://sandbox')
    const name = `${headers[':method'] ?? ''} ${url.pathname}`
    if (name === 'POST /begin') {
      await this.#begin(stream, headers.authorization)
      return
    }
    if (this.#session === undefined || stream.session !== this.#session) {
      answer(stream, 403, { message: 'begin with a ticket' })
      return
    }
    const handler = this.#routes[name]
    if (handler === undefined) answer(stream, 404, { message: `there is no ${name}` })
    else await handler(stream, url.searchParams)
  }

  async #begin(stream: ServerHttp2Stream, authorization: string | undefined): Promise<void> {
    const { tickets, relay, engine, log } = this.#options
    let turnID: string
    try {
      const claims = await tickets.take(authorization?.replace(/^Bearer /, '') ?? '')
      turnID = claims.turn
    } catch (error) {
      log('a ticket was refused', {
        reason: error instanceof Error ? error.message : String(error),
      })
      answer(stream, 401, { message: 'the ticket is not good' })
      return
    }
    const earlier = this.#session
    this.#session = stream.session as ServerHttp2Session
    if (earlier !== undefined && earlier !== this.#session) earlier.destroy()
    relay.isRehearsing = false
    const { config } = beginRequest.parse(await body(stream))
    const isHere = this.#turn.id === turnID
    if (!isHere && engine.status.state === 'ready')
      await this.#inTurn(() => this.#startEngine(config))
    answer(stream, 200, {
      protocol: sandboxProtocol,
      engine: engine.status,
      isRestored: this.#isRestored,
      storedFiles: this.#storedFiles,
      turnID: this.#turn.id,
      isAsking: this.#turn.isUnderWay,
    } satisfies BeginAnswer)
  }

  async #startEngine(config: object): Promise<void> {
    const { engine, settings } = this.#options
    const relayURL = `http://127.0.0.1:${settings.relayPort.toString()}`
    const own = JSON.stringify(config).replaceAll(relayPlaceholder, relayURL)
    const digest = createHash('sha256').update(own).digest('hex')
    if (digest === this.#config && engine.status.state === 'ready') return
    if (this.#config !== '')
      this.#options.log('the engine starts again, with another configuration')
    this.#config = ''
    await engine.start(JSON.parse(own) as object)
    this.#config = digest
  }

  #makeRoutes(): Record<string, Handler> {
    const { engine, relay } = this.#options
    return {
      'GET /status': (stream) => {
        answer(stream, 200, engine.status)
      },
      'POST /turn': async (stream) => {
        const { id, request } = z
          .object({ id: z.string(), request: sandboxRequest })
          .parse(await body(stream))
        this.#turn.ask(id, request)
        answer(stream, 202, {})
      },
      'GET /turn': async (stream) => {
        const said = await this.#turn.answer
        if (said === undefined) answer(stream, 502, { message: 'the engine dropped the request' })
        else answer(stream, 200, said)
      },
      'POST /request': async (stream) => {
        const left = new AbortController()
        stream.on('close', () => {
          left.abort()
        })
        answer(stream, 200, await engine.ask(sandboxRequest.parse(await body(stream)), left.signal))
      },
      'GET /events': async (stream) => {
        const events = await engine.open('GET', '/global/event')
        stream.on('close', () => {
          events.destroy()
        })
        stream.respond({ ':status': events.statusCode ?? 502 })
        await pipeline(events, stream)
      },
      'POST /history': async (stream) => {
        answer(stream, 200, await this.#rows(heads.parse(await body(stream))))
      },
      'POST /disregard': async (stream) => {
        for (const id of z.array(z.string()).parse(await body(stream))) this.#disregarded.add(id)
        answer(stream, 200, {})
      },
      'POST /stop': async (stream) => {
        await this.#inTurn(() => engine.stop())
        answer(stream, 200, {})
      },
      'POST /relay': (stream) => {
        relay.park(stream)
      },
      ...this.#fileRoutes(),
    }
  }

  #fileRoutes(): Record<string, Handler> {
    return {
      'POST /directory': async (stream, query) => {
        await mkdir(this.#directory(query).path, { recursive: true })
        answer(stream, 200, {})
      },
      'PUT /files': async (stream, query) => {
        await this.#inTurn(() => this.#directory(query).files.unpack(stream))
        answer(stream, 200, {})
      },
      'GET /files': async (stream, query) => {
        const snapshot = await this.#directory(query).files.pack(query.get('whole') === '1')
        // Half a snapshot must not pass for a whole one: only the latter has this at its end.
        stream.on('wantTrailers', () => {
          stream.sendTrailers({ 'x-whole': '1' })
        })
        stream.respond({ ':status': 200 }, { waitForTrailers: true })
        await pipeline(snapshot, stream)
      },
      // Restored: from here on the engine's log and the files are the session's.
      'POST /restored': async (stream, query) => {
        const { path, files } = this.#directory(query)
        this.#storedFiles = await files.look()
        this.#opened = JSON.stringify(await projectOf(path))
        this.#isRestored = true
        answer(stream, 200, { files: this.#storedFiles })
      },
      'POST /finish': async (stream, query) => {
        answer(stream, 200, await this.#inTurn(() => this.#finish(this.#directory(query))))
      },
      'POST /stored': async (stream) => {
        this.#storedFiles = z.object({ files: z.string() }).parse(await body(stream)).files
        this.#sessionDirectory?.files.stored()
        answer(stream, 200, {})
      },
    }
  }

  /** The end of a turn: nothing of it runs on, and the engine looks at the directory anew where that has become something else. */
  async #finish({ path, files }: SessionDirectory): Promise<{ files: string; project: Project }> {
    endOrphans()
    const project = await projectOf(path)
    const opened = JSON.stringify(project)
    if (opened !== this.#opened) {
      const query = { directory: path }
      await this.#options.engine
        .ask({ method: 'POST', path: '/instance/dispose', query })
        .catch(() => undefined)
    }
    this.#opened = opened
    return { files: await files.look(), project }
  }

  /** The rows of the engine's log past these positions. */
  async #rows(after: Record<string, number>): Promise<z.infer<typeof engineRow>[]> {
    // The engine takes no position before the first: such a session is left out, and all of it comes.
    const positions = Object.fromEntries(Object.entries(after).filter(([, seq]) => seq >= 0))
    for (const id of this.#disregarded) positions[id] = Number.MAX_SAFE_INTEGER
    const said = await this.#options.engine.ask({
      method: 'POST',
      path: '/sync/history',
      body: positions,
    })
    if (said.status !== 200)
      throw new Error(`the engine's event log could not be read: ${said.status.toString()}`)
    return z
      .array(engineRow)
      .parse(JSON.parse(said.body))
      .filter(({ aggregate_id, seq }) => seq > (positions[aggregate_id] ?? -1))
  }

  #directory(query: URLSearchParams): SessionDirectory {
    const { workspaceRoot, home } = this.#options.settings
    const roots = fileRoots(workspaceRoot, home, query.get('directory') ?? '')
    if (this.#sessionDirectory?.path !== roots.workspace)
      this.#sessionDirectory = { path: roots.workspace, files: new SessionFiles(roots) }
    return this.#sessionDirectory
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(action, action)
    this.#queue = result.catch(() => undefined)
    return result
  }
}

async function body(stream: ServerHttp2Stream): Promise<unknown> {
  return JSON.parse(await text(stream)) as unknown
}

function answer(stream: ServerHttp2Stream, status: number, value: unknown): void {
  if (stream.destroyed) return
  if (stream.headersSent) {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    return
  }
  stream.respond({ ':status': status, 'content-type': 'application/json' })
  stream.end(JSON.stringify(value))
}
