import { setTimeout as delay } from 'node:timers/promises'
import type { DrillClient } from './client.ts'

/** What a reader of the event stream saw. */
export interface StreamRecord {
  /** Ids of durable events, in the order of arrival. */
  readonly ids: readonly number[]
  readonly connects: number
}

/** Missing and repeated ids. The service numbers a tenant's durable events without gaps, so a hole is a lost event. */
export function streamFaults(ids: readonly number[]): { missing: number; repeated: number } {
  const seen = new Set(ids)
  const lowest = Math.min(...ids)
  const highest = Math.max(...ids)
  const span = ids.length === 0 ? 0 : highest - lowest + 1
  return { missing: span - seen.size, repeated: ids.length - seen.size }
}

/**
 * Reads `/event` like a well-behaved client: on any end of the stream it connects again with the last id it saw
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header).
 * @returns stops reading and gives what was seen
 */
export function startReader(client: DrillClient): () => Promise<StreamRecord> {
  const stop = new AbortController()
  const ids: number[] = []
  let connects = 0
  const readOnce = async (): Promise<void> => {
    const response = await client.events(ids.at(-1)?.toString(), stop.signal)
    connects += 1
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) if (line.startsWith('id:')) ids.push(Number(line.slice(3)))
    }
  }
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await readOnce().catch(() => undefined)
      if (!stop.signal.aborted) await delay(500, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }
  const running = loop()
  return async () => {
    stop.abort()
    await running
    return { ids, connects }
  }
}
