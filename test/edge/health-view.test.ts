import { createExecutionContext } from 'cloudflare:test'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../../edge/src/config.ts'
import type { Env } from '../../edge/src/env.ts'
import { HealthView } from '../../edge/src/health-view.ts'
import { applyChange, noControls } from '../../edge/src/health-state.ts'
import type { HealthState } from '../../edge/src/health-state.ts'
import { RegionManager } from '../../edge/src/region-manager.ts'
import { edgeVariable } from '../../edge/tools/wrangler.ts'

const now = 1_795_000_000_000
const america = { continent: 'NA' }
const config = readConfig({ ...edgeVariable(), settings: { probeTimeout: 50 } })

/** A state in which us is down. */
function usDown(checkedAt: number): HealthState {
  const origins = Object.fromEntries(
    Object.entries(config.regions).map(([name, { api }]) => [name, api]),
  )
  const manager = new RegionManager({ origins, defaultRegion: 'us' })
  for (let time = 0; time < 3; time += 1) manager.reportFailure('us')
  return { checkedAt, regions: manager.toJSON(), controls: noControls }
}

/** An environment whose Durable Object answers as told. */
function environment(object: {
  state?: () => Promise<HealthState>
  report?: () => Promise<void>
}): Env {
  return { HEALTH: { idFromName: () => 'global', get: () => object } } as unknown as Env
}

const never = new Promise<never>(() => undefined)

afterEach(() => {
  vi.restoreAllMocks()
})

describe('health in an isolate', () => {
  it("follows the Durable Object's verdict", () => {
    const view = new HealthView(config)
    view.adopt(usDown(now - 1_000), now)
    expect(view.candidates(undefined, america, now)).toEqual(['eu', 'apac'])
  })

  it("does not believe a verdict that is too old, but keeps the operators' decisions", () => {
    const view = new HealthView(config)
    view.adopt(usDown(now - config.settings.stale), now)
    expect(view.candidates(undefined, america, now)).toEqual(['us', 'eu', 'apac'])
    const controls = applyChange(noControls, { kind: 'drain', region: 'eu', on: true })
    view.adopt({ ...usDown(now - config.settings.stale), controls }, now)
    expect(view.candidates(undefined, america, now)).toEqual(['us', 'apac'])
  })

  it('is read once for all requests, and again when the request that read it was ended', () => {
    const view = new HealthView(config)
    let asked = 0
    vi.spyOn(caches.default, 'match').mockImplementation(() => {
      asked += 1
      return never
    })
    const refresh = (at: number): void => {
      void view.refresh(environment({}), createExecutionContext(), at)
    }
    for (let time = 0; time < 5; time += 1) refresh(now + time)
    expect(asked).toBe(1)
    refresh(now + 10_000)
    expect(asked).toBe(2)
  })

  it('does not make a request wait for a probe whose own request was ended', async () => {
    const view = new HealthView(config)
    vi.spyOn(globalThis, 'fetch').mockImplementation(() => never)
    const env = environment({ report: () => Promise.resolve() })
    expect(await view.trusts('us', env, createExecutionContext())).toBe(true)
    view.failed('us', true, env, createExecutionContext())
    expect(await view.trusts('us', env, createExecutionContext())).toBe(false)
  })

  it('leaves a region that gave no answer three times in a row, but not for uploads that broke', async () => {
    vi.spyOn(globalThis, 'fetch').mockImplementation(() => Promise.resolve(new Response()))
    const env = environment({})
    for (const [broken, first] of [
      [false, 'us'],
      [true, 'eu'],
    ] as const) {
      const view = new HealthView(config)
      for (let time = 0; time < 3; time += 1)
        view.failed('us', broken, env, createExecutionContext())
      expect(view.candidates(undefined, america, now)[0]).toBe(first)
    }
  })
})
