import { describe, expect, it } from 'vitest'
import { RegionManager } from '../../edge/src/region-manager.ts'

const origins = { us: 'https://us.test', eu: 'https://eu.test', apac: 'https://apac.test' }

/** A manager whose regions answer as told, at a clock of its own. */
function managed(answers: Record<string, { ok: boolean; ms: number }>): {
  manager: RegionManager
  advance: (ms: number) => void
} {
  let clock = 1_000_000
  const request = ((url: string) => {
    const answer = answers[new URL(url).hostname.split('.')[0] ?? '']
    clock += answer?.ms ?? 0
    return answer === undefined
      ? Promise.reject(new Error('refused'))
      : Promise.resolve(new Response('', { status: answer.ok ? 200 : 503 }))
  }) as typeof fetch
  return {
    manager: new RegionManager({ origins, defaultRegion: 'us', fetch: request, now: () => clock }),
    advance: (ms) => {
      clock += ms
    },
  }
}

async function check(manager: RegionManager, region: string, times: number): Promise<boolean> {
  let healthy = false
  for (let time = 0; time < times; time += 1) ({ healthy } = await manager.checkHealth(region))
  return healthy
}

describe('RegionManager', () => {
  it('answers in the form of the interface', async () => {
    const { manager } = managed({ us: { ok: true, ms: 40 } })
    expect(await manager.checkHealth('us')).toEqual({
      region: 'us',
      healthy: true,
      latency: 40,
      lastCheck: new Date(1_000_040),
    })
  })

  it('takes a region down after three failures in a row and up after two successes', async () => {
    const answers = { us: { ok: true, ms: 10 } as { ok: boolean; ms: number } }
    const { manager } = managed(answers)
    answers.us = { ok: false, ms: 10 }
    expect(await check(manager, 'us', 2)).toBe(true)
    expect(await check(manager, 'us', 1)).toBe(false)
    expect(manager.health('us').latency).toBe(-1)
    answers.us = { ok: true, ms: 10 }
    expect(await check(manager, 'us', 1)).toBe(false)
    expect(await check(manager, 'us', 1)).toBe(true)
  })

  it('counts failures of live traffic as failed checks', () => {
    const { manager } = managed({})
    expect([
      manager.reportFailure('eu'),
      manager.reportFailure('eu'),
      manager.reportFailure('eu'),
    ]).toEqual([false, false, true])
  })

  it('asks more of a region that flaps: routing moves a handful of times, not with every turn', async () => {
    const answers: Record<string, { ok: boolean; ms: number }> = {}
    const { manager, advance } = managed(answers)
    let changes = 0
    let before = true
    for (let round = 0; round < 100; round += 1) {
      answers['us'] = { ok: round % 5 >= 3, ms: 1 }
      advance(1_000)
      const { healthy } = await manager.checkHealth('us')
      if (healthy !== before) changes += 1
      before = healthy
    }
    expect(changes).toBeLessThanOrEqual(3)
  })

  it('picks the fastest healthy region, and the default when none is healthy', async () => {
    const answers: Record<string, { ok: boolean; ms: number }> = {
      us: { ok: true, ms: 90 },
      eu: { ok: true, ms: 20 },
      apac: { ok: true, ms: 200 },
    }
    const { manager } = managed(answers)
    for (const region of Object.keys(origins)) await manager.checkHealth(region)
    expect(manager.getBestRegion()).toBe('eu')
    answers['eu'] = { ok: false, ms: 1 }
    await check(manager, 'eu', 3)
    expect(manager.getBestRegion()).toBe('us')
    for (const region of Object.keys(origins)) {
      answers[region] = { ok: false, ms: 1 }
      await check(manager, region, 3)
    }
    expect(manager.getBestRegion()).toBe('us')
    expect(manager.getBestRegion(['apac', 'eu'])).toBe('apac')
  })

  it('keeps to the preferred region unless another is clearly nearer', async () => {
    const answers = {
      us: { ok: true, ms: 90 },
      eu: { ok: true, ms: 60 },
      apac: { ok: true, ms: 200 },
    }
    const { manager } = managed(answers)
    for (const region of Object.keys(origins)) await manager.checkHealth(region)
    expect(manager.getBestRegion(['us', 'eu'])).toBe('us')
    expect(manager.getBestRegion(['apac', 'eu'])).toBe('eu')
  })

  it('goes on from what it stored', async () => {
    const { manager } = managed({ us: { ok: false, ms: 1 } })
    await check(manager, 'us', 3)
    const { manager: next } = managed({})
    next.restore(JSON.parse(JSON.stringify(manager)) as ReturnType<RegionManager['toJSON']>)
    expect(next.health('us').healthy).toBe(false)
  })

  it('names the regions it knows when asked for another', async () => {
    await expect(managed({}).manager.checkHealth('mars')).rejects.toThrow(
      'unknown region "mars". Known: us, eu, apac.',
    )
  })
})
