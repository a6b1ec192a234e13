import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Env } from '../../edge/src/env.ts'
import { HealthObject } from '../../edge/src/health-object.ts'
import type { HealthState } from '../../edge/src/health-state.ts'

const { HEALTH } = env as unknown as Env
const regionOf = (input: RequestInfo | URL): string =>
  new URL(input instanceof Request ? input.url : input).hostname.split('.')[0] ?? ''

/** Remote hosts are the one thing that is made up here. */
function answer(status: (region: string) => number): void {
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input) => {
    await scheduler.wait(5)
    return new Response('', { status: status(regionOf(input)) })
  })
}

/** A day ahead of the runtime's clock, by which it fires alarms: none of them fires unless a test says so. */
const now = Date.now() + 86_400_000

beforeEach(() => {
  vi.setSystemTime(now)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('the health object', () => {
  it('probes every region when its alarm fires, stores what it saw, and arms the next alarm', async () => {
    answer((region) => (region === 'eu' ? 503 : 200))
    const stub = HEALTH.get(HEALTH.idFromName('alarm'))
    await stub.state()
    for (let round = 0; round < 3; round += 1) expect(await runDurableObjectAlarm(stub)).toBe(true)
    const stored = await runInDurableObject(stub, (_object, context) =>
      context.storage.get<HealthState>('state'),
    )
    expect(stored?.regions['eu']).toMatchObject({ healthy: false })
    expect(stored?.regions['us']).toMatchObject({ healthy: true })
    expect(await runInDurableObject(stub, (_object, context) => context.storage.getAlarm())).toBe(
      now + 600_000,
    )
  })

  it('knows after a restart what it knew before', async () => {
    answer(() => 200)
    const stub = HEALTH.get(HEALTH.idFromName('restart'))
    await stub.change({ kind: 'drain', region: 'apac', on: true })
    expect(await runDurableObjectAlarm(stub)).toBe(true)
    const before = await stub.state()
    vi.setSystemTime(now + 300_000)
    const after = await runInDurableObject(stub, async (_object, context) => {
      const restarted = new HealthObject(context, env as unknown as Env)
      await context.blockConcurrencyWhile(() => Promise.resolve())
      return restarted.state()
    })
    expect(after).toEqual(before)
    expect(after.checkedAt).toBe(now)
    expect(after.controls.drained).toEqual(['apac'])
  })

  it('counts a report of live traffic, probes at once, and takes reports together', async () => {
    answer(() => 503)
    const stub = HEALTH.get(HEALTH.idFromName('report'))
    // Inside the object all three begin before the first probe can end.
    await runInDurableObject(stub, (object: HealthObject) =>
      Promise.all([object.report('us'), object.report('us'), object.report('us')]),
    )
    expect(
      (await stub.state()).regions['us']?.history.filter(({ source }) => source === 'traffic'),
    ).toHaveLength(1)
    await stub.report('us')
    expect((await stub.state()).regions['us']?.healthy).toBe(false)
  })

  it('ignores a report of a region that does not exist', async () => {
    await HEALTH.get(HEALTH.idFromName('unknown')).report('mars')
  })
})
