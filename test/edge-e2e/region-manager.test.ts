import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RegionHealth } from '../../edge/src/region-health.ts'
import { RegionManager } from '../../edge/src/region-manager.ts'
import { Origin } from './lib/origin.ts'

// The same class that runs in the Worker, here in Node against real servers.
const [us, eu] = [new Origin('us'), new Origin('eu')]
beforeAll(async () => {
  await Promise.all([us.start(), eu.start()])
})
afterAll(async () => {
  await Promise.all([us.kill(), eu.kill()])
})

it("RegionManager runs in Node with the document's interface", async () => {
  const manager = new RegionManager({
    origins: { us: us.url, eu: eu.url },
    defaultRegion: 'us',
    timeout: 60_000,
  })
  const health: RegionHealth = await manager.checkHealth('us')
  expect(health).toEqual({
    region: 'us',
    healthy: true,
    latency: expect.any(Number) as number,
    lastCheck: expect.any(Date) as Date,
  })
  expect(health.latency).toBeGreaterThanOrEqual(0)
  await manager.checkHealth('eu')
  await us.kill()
  for (let time = 0; time < 3; time += 1) await manager.checkHealth('us')
  expect(manager.health('us')).toMatchObject({ healthy: false, latency: -1 })
  const best: string = manager.getBestRegion()
  expect(best).toBe('eu')
  eu.health = 503
  for (let time = 0; time < 3; time += 1) await manager.checkHealth('eu')
  expect(manager.getBestRegion()).toBe('us')
})
