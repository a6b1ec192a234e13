import { beforeAll, describe, expect, it } from 'vitest'
import { canary, type Delivery } from './deliveries.ts'
import { complaints } from './load.ts'

describe('a new version of API, workers and WebSocket handlers under load', () => {
  let delivery: Delivery

  beforeAll(async () => {
    delivery = await canary()
  })

  it('fails no request and loses no event', () => {
    expect(complaints(delivery.seen)).toEqual([])
    expect(delivery.seen.sent).toBeGreaterThan(100)
    for (const { events } of delivery.seen.readers) expect(events).toBeGreaterThan(50)
  })

  it('gets the share of the traffic that its weight asks for, as its pods count it', () => {
    expect(delivery.shares.map(({ weight }) => weight)).toEqual([20, 50])
    // Some hundred requests a step: 10 points are more than four standard deviations.
    for (const { weight, measured } of delivery.shares)
      expect(Math.abs(100 * measured - weight)).toBeLessThan(10)
  })
})
