import { beforeAll, describe, expect, it } from 'vitest'
import { rolling, type Delivery } from '../delivery/deliveries.ts'
import { complaints } from '../delivery/load.ts'
import bringUpService from '../load/setup.ts'

describe('a rolling update of the API under HTTP, SSE and WebSocket load', () => {
  let delivery: Delivery

  beforeAll(async () => {
    await bringUpService()
    delivery = await rolling()
  })

  it('fails no request and loses no event', () => {
    expect(complaints(delivery.seen)).toEqual([])
    expect(delivery.seen.sent).toBeGreaterThan(100)
    for (const { events } of delivery.seen.readers) expect(events).toBeGreaterThan(10)
  })
})
