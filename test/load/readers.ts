import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { WebSocket } from 'ws'
import { url } from './target.ts'

/** A client that follows a tenant's events and comes back where it was whenever its connection ends. */
export interface Reader {
  /** Numbers of the durable events, in the order of arrival. */
  readonly ids: readonly number[]
  /** Connections it has had. */
  readonly connects: number
  /** Whether an event with this text has come. */
  saw(text: string): boolean
  stop(): Promise<void>
}

/** Missing and repeated numbers: a tenant's durable events are numbered without gaps, so a hole is a lost event. */
export function faults(ids: readonly number[]): {
  missing: number
  repeated: number
  disordered: number
} {
  const seen = new Set(ids)
  const sorted = [...seen].sort((a, b) => a - b)
  const [first = 1, last = 0] = [sorted[0], sorted.at(-1)]
  const disordered = ids.filter((id, index) => index > 0 && id < (ids[index - 1] ?? 0)).length
  return { missing: last - first + 1 - seen.size, repeated: ids.length - seen.size, disordered }
}

interface Connection {
  /** Number of the last event seen, undefined before the first. */
  readonly after: number | undefined
  readonly signal: AbortSignal
  readonly onConnect: () => void
  readonly onEvent: (id: number | undefined, text: string) => void
}

function follow(once: (connection: Connection) => Promise<void>): Reader {
  const stopped = new AbortController()
  const ids: number[] = []
  const texts: string[] = []
  let connects = 0
  const connection = (): Connection => ({
    after: ids.at(-1),
    signal: stopped.signal,
    onConnect: () => {
      connects += 1
    },
    onEvent: (id, text) => {
      if (id !== undefined) ids.push(id)
      texts.push(text)
      // Only the newest matter: what is waited for has just been written.
      texts.splice(0, texts.length - 500)
    },
  })
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await once(connection()).catch(() => undefined)
      await delay(200, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  }
  const running = loop()
  return {
    ids,
    get connects() {
      return connects
    },
    saw: (text) => texts.some((one) => one.includes(text)),
    async stop() {
      stopped.abort()
      await running
    },
  }
}

const agent = new Agent({ connections: 64, bodyTimeout: 40_000 })

/** Reads `/event`, resuming with `Last-Event-ID`. */
export function readEvents(token: string): Reader {
  return follow(async ({ after, signal, onConnect, onEvent }) => {
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'text/event-stream',
      ...(after === undefined ? {} : { 'last-event-id': String(after) }),
    }
    const response = await request(`${url}/event`, { dispatcher: agent, headers, signal })
    if (response.statusCode !== 200) {
      await response.body.dump()
      throw new Error(`HTTP ${response.statusCode}`)
    }
    onConnect()
    let rest = ''
    let id: number | undefined
    const decoder = new TextDecoder()
    for await (const chunk of response.body) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('id:')) id = Number(line.slice(3))
        if (!line.startsWith('data:')) continue
        onEvent(id, line)
        id = undefined
      }
    }
  })
}

/** Follows `/ws`, resuming with `?after=`. */
export function readSocket(token: string): Reader {
  return follow(
    ({ after, signal, onConnect, onEvent }) =>
      new Promise((resolve) => {
        const address = `${url.replace('http', 'ws')}/ws${after === undefined ? '' : `?after=${after}`}`
        const socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}` } })
        const stop = (): void => {
          socket.terminate()
        }
        signal.addEventListener('abort', stop)
        socket.once('open', onConnect)
        socket.on('message', (data) => {
          const text = (data as Buffer).toString()
          const { seq, event } = JSON.parse(text) as { seq: number | null; event: { type: string } }
          // The greeting carries the place that the connection begins at, which is no event.
          onEvent(event.type === 'server.connected' ? undefined : (seq ?? undefined), text)
        })
        socket.on('error', () => undefined)
        socket.once('close', () => {
          signal.removeEventListener('abort', stop)
          resolve()
        })
      }),
  )
}
