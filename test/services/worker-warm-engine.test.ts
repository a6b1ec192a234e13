import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EngineClient } from '../../services/worker/supervisor/engine-client.ts'
import { WarmEngine } from '../../services/worker/supervisor/warm-engine.ts'
import { until } from './support/until.ts'

const config = { model: 'scripted/one' }

/** What the engine's container would say; the real one is in worker-failures. */
class Runner {
  generation = 0
  starts = 0
  state = 'stopped'
  isBroken = false

  status() {
    return Promise.resolve({
      state: this.state,
      generation: this.generation,
      failures: {},
      rssBytes: 0,
    })
  }

  start() {
    this.starts += 1
    if (this.isBroken) return Promise.reject(new Error('broken'))
    this.state = 'ready'
    return Promise.resolve(++this.generation)
  }
}

let runner: Runner
let engine: WarmEngine
let errors: unknown[]
let prepared: number[]
let stop: AbortController
let keeping: Promise<void>

beforeEach(async () => {
  runner = new Runner()
  prepared = []
  engine = new WarmEngine(
    runner as unknown as EngineClient,
    config,
    () => undefined,
    async () => {
      expect(await engine.isWarm()).toBe(false)
      prepared.push(runner.generation)
    },
  )
  errors = []
  stop = new AbortController()
  await engine.warm()
  keeping = engine.keepWarm(stop.signal, (error) => {
    errors.push(error)
  })
})

afterEach(async () => {
  stop.abort()
  await keeping
})

describe('GIVEN an engine that waits for a turn', () => {
  test('WHEN it dies THEN another is started, and again after starts that fail', async () => {
    runner.state = 'failed'
    await until(() => runner.state === 'ready')
    expect(runner.starts).toBe(2)
    runner.isBroken = true
    runner.state = 'failed'
    await until(() => errors.length === 2)
    runner.isBroken = false
    await until(() => runner.state === 'ready')
    expect(await engine.isWarm()).toBe(true)
  })

  test('WHEN a turn comes THEN the engine has been prepared for it; one with a configuration of its own does not wait for that', async () => {
    expect(prepared).toEqual([1])
    await engine.take(config)
    await engine.warm()
    expect(prepared).toEqual([1, 2])
    await engine.take({ model: 'scripted/two' })
    expect(runner.generation).toBe(3)
    expect(prepared).toEqual([1, 2])
  })

  test('WHEN a turn has taken it THEN it is the turn that finds out', async () => {
    await engine.take(config)
    runner.state = 'failed'
    await sleep(3_000)
    expect(runner.starts).toBe(1)
    await engine.warm()
    expect(runner.starts).toBe(2)
  })
})
