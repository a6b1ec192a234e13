import { setTimeout as delay } from 'node:timers/promises'
import type { DrillClient } from './client.ts'

/** What a reader of the event stream saw. */
export interface StreamRecord {
  /** Ids of durable events, in the order of arrival. */
  readonly ids: readonly number[]
  readonly connects: number
}

/** A client of the event stream. */
export interface Reader {
  readonly record: StreamRecord
  /** Waits until an event that contains a text has come; false where it does not come in time. */
  sees(text: string, seconds: number): Promise<boolean>
  stop(): Promise<void>
}

/** Longest silence: the service sends a heartbeat every 15 s, so a silent stream is a dead one. */
const silenceMs = 40_000

/** Missing and repeated ids. The service numbers a tenant's durable events without gaps, so a hole is a lost event. */
export function streamFaults(ids: readonly number[]): { missing: number; repeated: number } {
  const seen = new Set(ids)
  if (ids.length === 0) return { missing: 0, repeated: 0 }
  // Not Math.min(...ids): a long drill has more events than a call may have arguments.
  const [lowest, highest] = ids.reduce(
    ([low, high], id) => [Math.min(low, id), Math.max(high, id)],
    [Infinity, -Infinity],
  )
  return { missing: highest - lowest + 1 - seen.size, repeated: ids.length - seen.size }
}

/**
 * Reads `/event` like a well-behaved client: on any end of the stream, or a silence of {@link silenceMs}, it connects again
 * with the last id it saw (https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header).
 */
export function startReader(client: DrillClient): Reader {
  const stopped = new AbortController()
  const record = { ids: [] as number[], connects: 0 }
  const seen: string[] = []
  const readOnce = async (): Promise<void> => {
    const silent = new AbortController()
    const timer = setTimeout(() => silent.abort(), silenceMs)
    try {
      const response = await client.events(
        record.ids.at(-1)?.toString(),
        AbortSignal.any([stopped.signal, silent.signal]),
      )
      record.connects += 1
      const decoder = new TextDecoder()
      let rest = ''
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        timer.refresh()
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          if (line.startsWith('id:')) record.ids.push(Number(line.slice(3)))
          else if (line !== '') seen.push(line)
        }
        // Only the newest matter: what is waited for has just been written.
        seen.splice(0, seen.length - 500)
      }
    } finally {
      clearTimeout(timer)
    }
  }
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await readOnce().catch(() => undefined)
      if (!stopped.signal.aborted)
        await delay(500, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  }
  const running = loop()
  return {
    record,
    async sees(text, seconds) {
      const deadline = Date.now() + seconds * 1000
      while (!seen.some((line) => line.includes(text))) {
        if (Date.now() > deadline) return false
        await delay(200)
      }
      return true
    },
    async stop() {
      stopped.abort()
      await running
    },
  }
}
