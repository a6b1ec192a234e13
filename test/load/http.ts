import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { url } from './target.ts'

/** One call of the service. */
export interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly token: string
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
  /** Longest time to wait for the answer, ms. Default 10 s. */
  readonly deadlineMs?: number
}

/** A request that did not end well, as its client saw it. */
export interface Failure {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly call: string
  readonly reason: string
}

const agent = new Agent({ connections: 64, keepAliveTimeout: 30_000 })

/** One request. @throws Error with the status of an answer that is none */
export async function send<T = unknown>(call: Call): Promise<T> {
  const response = await request(`${url}${call.path}`, {
    dispatcher: agent,
    method: call.method,
    headers: {
      authorization: `Bearer ${call.token}`,
      'content-type': 'application/json',
      ...call.headers,
    },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    signal: AbortSignal.timeout(call.deadlineMs ?? 10_000),
  })
  const text = await response.body.text()
  if (response.statusCode >= 400)
    throw new Error(`HTTP ${response.statusCode}: ${text.slice(0, 200)}`)
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** A load that runs until it is stopped. */
export interface HttpLoad {
  readonly sent: number
  readonly failures: readonly Failure[]
  stop(): Promise<void>
}

/**
 * So many requests a second, whatever becomes of the earlier ones: a slow service does not slow its clients down. No request
 * is sent twice, so that nothing hides a failure.
 */
export function startHttp(perSecond: number, next: (number: number) => Call): HttpLoad {
  const failures: Failure[] = []
  const underWay = new Set<Promise<void>>()
  let sent = 0
  let stopped = false
  const attempt = async (call: Call): Promise<void> => {
    try {
      await send(call)
    } catch (error) {
      failures.push({
        at: Date.now(),
        call: `${call.method} ${call.path}`,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }
  const started = Date.now()
  const loop = async (): Promise<void> => {
    while (!stopped) {
      const due = Math.floor(((Date.now() - started) / 1000) * perSecond)
      // A pause of this process must not turn into a burst.
      if (due - sent > perSecond) sent = due - 1
      while (sent < due) {
        const one: Promise<void> = attempt(next(sent)).finally(() => underWay.delete(one))
        underWay.add(one)
        sent += 1
      }
      await delay(20)
    }
  }
  const running = loop()
  return {
    get sent() {
      return sent
    },
    failures,
    async stop() {
      stopped = true
      await running
      await Promise.all(underWay)
    },
  }
}
