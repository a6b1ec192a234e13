import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { poll } from '../../cluster/poll.ts'
import { createProgress, formatSeconds } from '../../cluster/progress.ts'

describe('formatSeconds', () => {
  it.each([
    [0.4, '0 s'],
    [59, '59 s'],
    [60, '1 min 00 s'],
    [185, '3 min 05 s'],
  ])('writes %d as %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text)
  })
})

describe('createProgress', () => {
  it('prints when a step starts and what it took', async () => {
    let clock = 0
    let output = ''
    const progress = createProgress({ now: () => clock, write: (text) => (output += text) })
    const result = await progress.step('tools', async () => {
      progress.line('kind')
      clock += 65_000
      return 7
    })
    expect(result).toBe(7)
    expect(output).toMatch(/▸ tools\n.*kind\n.*1 min 05 s\] ✔ tools \(1 min 05 s\)\n$/)
    expect(progress.timings).toEqual([{ title: 'tools', seconds: 65 }])
  })

  it('gives a sign of life while a step is silent, naming the last detail', async () => {
    let output = ''
    const progress = createProgress({ write: (text) => (output += text), heartbeat: 10 })
    await progress.step('tools', async () => {
      progress.line('building kubelet')
      while (!output.includes('so far')) await sleep(5)
    })
    expect(output).toMatch(/… building kubelet, \d+ s so far/)
  })

  it('passes a failure on unchanged and records no time for it', async () => {
    const progress = createProgress({ write: () => undefined })
    const failure = new Error('no')
    await expect(progress.step('tools', () => Promise.reject(failure))).rejects.toBe(failure)
    expect(progress.timings).toEqual([])
  })
})

describe('poll', () => {
  it('returns the first true answer, after failures too', async () => {
    let asked = 0
    const answer = await poll(
      'it',
      10,
      () => (++asked < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve('here')),
      1,
    )
    expect([answer, asked]).toEqual(['here', 3])
  })

  it('names what was waited for and the last failure', async () => {
    await expect(poll('the moon', 0, () => Promise.reject(new Error('clouds')), 1)).rejects.toThrow(
      'the moon was not ready within 0 s: clouds',
    )
  })
})
