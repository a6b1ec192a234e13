import type { ServerResponse } from 'node:http'
import type { Logger } from '../../runtime/logger.ts'
import { errorFields } from '../../runtime/logger.ts'
import type { Metrics } from '../../runtime/metrics.ts'
import type { Database } from '../../runtime/database/index.ts'
import { createID } from '../../runtime/ids.ts'
import type { Identity } from '../../runtime/people/identity.ts'
import { eventsAfter, type FeedItem, type Feeds } from './feed.ts'

/** `instance`: the event alone, as `/event` sends it. `global`: with its directory around it, as `/global/event` does. */
export type StreamForm = 'instance' | 'global'

/** Who listens to what. */
export interface StreamRequest {
  tenant: string
  /** Who is let in; undefined: nobody who could be put out. */
  identity?: Identity
  form: StreamForm
  /** Only this session's events and those that name none. */
  directory?: string | undefined
  /** `Last-Event-ID`: the newest durable event the client has. */
  after?: number | undefined
  /** End of the credentials, ms since the epoch: nobody listens longer than their token says. */
  expires?: number | undefined
}

/** What {@link EventStreams} works with. */
export interface StreamOptions {
  database: Database
  feeds: Feeds
  metrics: Metrics
  logger: Logger
  /** What may wait for a slow reader, bytes; past it the stream is ended and the client resumes. @default 4 MiB */
  maxWaiting?: number
  /** Time between heartbeats, ms. @default 15_000 */
  heartbeat?: number
}

/** The frame of an item, made once for all who get it in that form. */
class Frames {
  #item: FeedItem | undefined
  #texts: Partial<Record<StreamForm, string>> = {}

  of(item: FeedItem, form: StreamForm): string {
    if (this.#item !== item) {
      this.#item = item
      this.#texts = {}
    }
    return (this.#texts[form] ??= frame(item, form))
  }
}

function frame({ seq, event, directory }: FeedItem, form: StreamForm): string {
  const data = form === 'instance' ? event : { directory, project: 'global', payload: event }
  return `${seq === null ? '' : `id: ${seq.toString()}\n`}data: ${JSON.stringify(data)}\n\n`
}

/** Open event streams (server-sent events) of this process. */
export class EventStreams {
  readonly #options: StreamOptions
  readonly #frames = new Frames()
  readonly #open = new Set<Stream>()
  readonly #timer: NodeJS.Timeout

  constructor(options: StreamOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      this.#beat()
    }, options.heartbeat ?? 15_000).unref()
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * Answers a request with a stream that lasts until either side ends it.
   * Headers go out with the first frame, after the replay's first page was read: a failure before is a plain error answer.
   */
  async serve(
    request: StreamRequest,
    response: ServerResponse,
    headers: Record<string, string>,
  ): Promise<void> {
    const { database, feeds, logger, maxWaiting = 4 * 2 ** 20 } = this.#options
    const stream = new Stream(request, response, maxWaiting, this.#frames)
    const subscription = await feeds.subscribe(request.tenant, (item) => {
      stream.take(item)
    })
    const close = () => {
      subscription.close()
      if (this.#open.delete(stream)) this.#options.metrics.sseConnections.set(this.#open.size)
    }
    response.once('close', close)
    if (response.destroyed) {
      close()
      return
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      ...headers,
    })
    this.#open.add(stream)
    this.#options.metrics.sseConnections.set(this.#open.size)
    stream.say('server.connected')
    try {
      await stream.replay(subscription.head, (after) =>
        eventsAfter(database, request.tenant, after),
      )
    } catch (error) {
      logger.warn(
        { tenant: request.tenant, ...errorFields(error) },
        'a replay failed; the client resumes',
      )
      response.destroy()
    }
  }

  /** Tells every client to come back elsewhere, and ends the streams. */
  shutdown(): void {
    for (const stream of this.#open) {
      // Spread over half a second either side, so that they do not all come back at once.
      const reconnectIn = Math.round(5_000 + (Math.random() - 0.5) * 1_000)
      stream.say('server.shutdown', { reconnectIn }, reconnectIn)
      stream.end()
    }
  }

  /** Ends the streams of those who may not listen any more. */
  endWhere(isOut: (identity: Identity) => boolean): void {
    for (const stream of this.#open)
      if (stream.identity !== undefined && isOut(stream.identity)) stream.end()
  }

  /** Cuts what is still open. */
  destroy(): void {
    clearInterval(this.#timer)
    for (const stream of this.#open) stream.destroy()
  }

  #beat(): void {
    const now = Date.now()
    for (const stream of this.#open) {
      if (stream.expires !== undefined && stream.expires < now) stream.end()
      else stream.say('server.heartbeat')
    }
  }
}

/** One client. */
class Stream {
  readonly expires: number | undefined
  readonly identity: Identity | undefined
  readonly #request: StreamRequest
  readonly #response: ServerResponse
  readonly #maxWaiting: number
  readonly #frames: Frames
  /** What comes in while the past is being sent; undefined once it has been. */
  #kept: FeedItem[] | undefined = []
  #keptBytes = 0
  /** How far the past is to be sent. */
  #head = 0

  constructor(
    request: StreamRequest,
    response: ServerResponse,
    maxWaiting: number,
    frames: Frames,
  ) {
    this.#request = request
    this.expires = request.expires
    this.identity = request.identity
    this.#response = response
    this.#maxWaiting = maxWaiting
    this.#frames = frames
  }

  take(item: FeedItem): void {
    if (this.#kept === undefined) {
      this.#send(item)
      return
    }
    this.#kept.push(item)
    this.#keptBytes += this.#frames.of(item, this.#request.form).length
    if (this.#keptBytes <= this.#maxWaiting) return
    // What has a place in the log is read again from there.
    for (const { seq } of this.#kept) this.#head = Math.max(this.#head, seq ?? 0)
    this.#kept = []
    this.#keptBytes = 0
  }

  /** Sends what the client has missed up to `head`, then what has come in meanwhile. */
  async replay(head: number, page: (after: number) => Promise<FeedItem[]>): Promise<void> {
    // An id that is not there yet comes from another region's log, or was made up: such a client begins now.
    let after = Math.min(this.#request.after ?? head, head)
    this.#head = head
    while (after < this.#head && !this.#response.destroyed) {
      const items = (await page(after)).filter(({ seq }) => seq !== null && seq <= this.#head)
      if (items.length === 0) break
      for (const item of items) {
        if (item.hidden !== true) this.#send(item)
        after = item.seq ?? after
        await this.#drained()
      }
    }
    const kept = this.#kept ?? []
    this.#kept = undefined
    for (const item of kept) if (item.seq === null || item.seq > after) this.#send(item)
  }

  /**
   * Sends an event of the server's own, which has no place in the order.
   * @param retry - What clients that know no more than the protocol wait before they connect again, ms.
   */
  say(type: string, properties: Record<string, unknown> = {}, retry?: number): void {
    const event = { id: createID('event'), type, properties }
    // The same fields at the top level too, as older clients look for them there.
    const data =
      this.#request.form === 'instance' ? { ...event, ...properties } : { payload: event }
    this.#write(
      `${retry === undefined ? '' : `retry: ${retry.toString()}\n`}data: ${JSON.stringify(data)}\n\n`,
    )
  }

  end(): void {
    this.#response.end()
  }

  destroy(): void {
    this.#response.destroy()
  }

  #send(item: FeedItem): void {
    const { directory, form } = this.#request
    if (directory !== undefined && item.directory !== directory) return
    this.#write(this.#frames.of(item, form))
  }

  #write(text: string): void {
    if (this.#response.destroyed || this.#response.writableEnded) return
    // Looked at before: one event may be larger than all that may wait.
    if (this.#response.writableLength > this.#maxWaiting) this.#tooSlow()
    else this.#response.write(text)
  }

  /** What waits for this reader would fill the memory: it is cut, and resumes with the last id it has read. */
  #tooSlow(): void {
    this.#kept = []
    this.#response.destroy(new Error('the reader is too slow'))
  }

  async #drained(): Promise<void> {
    if (!this.#response.writableNeedDrain || this.#response.destroyed) return
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#response.off('drain', done)
        this.#response.off('close', done)
        resolve()
      }
      this.#response.once('drain', done)
      this.#response.once('close', done)
    })
  }
}
