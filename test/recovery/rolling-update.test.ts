import { beforeAll, describe, expect, it } from 'vitest'
import { rolling, type Delivery } from '../delivery/deliveries.ts'
import { complaints } from '../delivery/load.ts'

describe('a rolling update of the API under HTTP, SSE and WebSocket load', () => {
  let delivery: Delivery

  // On what the drills leave: another installation before it would only take time.
  beforeAll(async () => {
    delivery = await rolling()
  })

  it('fails no request and loses no event', () => {
    expect(complaints(delivery.seen)).toEqual([])
    expect(delivery.seen.sent).toBeGreaterThan(100)
    for (const { events } of delivery.seen.readers) expect(events).toBeGreaterThan(10)
  })
})
