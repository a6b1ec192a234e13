import { describe, expect, it } from 'vitest'
import { substitute } from './lib/drill.ts'
import { judgeRestored } from './lib/run-drill.ts'
import { streamFaults } from './lib/sse-reader.ts'
import { longestGap, measure, violations } from './lib/verdict.ts'
import type { Attempt } from './lib/attempts.ts'

/** A write that ended at the given second. */
function write(second: number, acknowledged = true): Attempt {
  const endedAt = second * 1000
  return {
    kind: 'write',
    number: second,
    startedAt: endedAt - 10,
    endedAt,
    acknowledged,
    ...(acknowledged ? { id: `w${second}` } : {}),
  }
}

/** A run that was broken in its first second. */
const moments = (from: number, to: number) => ({
  from: from * 1000,
  broken: from * 1000 + 500,
  to: to * 1000,
})

const node = { rtoSeconds: 120, rpoSeconds: 0 }

describe('the oracle of the drills', () => {
  it('GIVEN successes with a hole WHEN the gap is measured THEN failures in it do not count as successes', () => {
    const attempts = [write(1), write(2), write(5, false), write(9), write(10)]
    expect(longestGap(attempts, 1_000, 10_000)).toEqual({ start: 2_000, end: 9_000 })
  })

  it('GIVEN no success after the failure WHEN the gap is measured THEN it lasts to the end of the window', () => {
    expect(longestGap([write(1), write(2)], 0, 60_000)).toEqual({ start: 2_000, end: 60_000 })
  })

  it('GIVEN an acknowledged write that is gone WHEN measured THEN it is lost, with its age when the failure came', () => {
    const result = measure(
      'write',
      [write(1), write(2), write(3, false), write(10)],
      ['w1', 'w10'],
      moments(2, 10),
    )
    expect(result).toMatchObject({ missing: 1, failed: 1, rtoSeconds: 8, rpoSeconds: 0.5 })
    expect(violations(result, node)).toHaveLength(1)
  })

  it('GIVEN an unacknowledged write that is there WHEN measured THEN nothing is wrong', () => {
    const result = measure('write', [write(1), write(2, false)], ['w1', 'w2'], moments(1, 2))
    expect(violations(result, node)).toEqual([])
  })

  it('GIVEN one write found twice WHEN measured THEN it is a violation', () => {
    const result = measure('write', [write(1)], ['w1', 'w1'], moments(1, 1))
    expect(violations(result, node)).toEqual(['write: 1 written once and found more than once'])
  })

  it('GIVEN a gap over the budget WHEN judged THEN the figures are in the reason', () => {
    const result = measure('write', [write(0), write(200)], ['w0', 'w200'], moments(0, 200))
    expect(violations(result, node)).toEqual(['write: 200.0 s without a success, 120 s allowed'])
  })

  it('GIVEN a budget of zero WHEN the load itself paused before the failure THEN a gap of the same size is none', () => {
    const attempts = [write(0), write(4), write(10), write(16)]
    const result = measure('write', attempts, ['w0', 'w4', 'w10', 'w16'], {
      from: 0,
      broken: 5_000,
      to: 16_000,
    })
    expect(result).toMatchObject({ rtoSeconds: 6, steadySeconds: 4 })
    expect(violations(result, { rtoSeconds: 0, rpoSeconds: 0 })).toEqual([])
  })

  it('GIVEN requests that fail beside others that do not WHEN measured THEN the last failure tells how long', () => {
    const attempts = [write(1), write(12, false), write(13), write(40, false), write(41)]
    expect(
      measure('write', attempts, ['w1', 'w13', 'w41'], { from: 0, broken: 10_000, to: 42_000 }),
    ).toMatchObject({ rtoSeconds: 28, lastFailureSeconds: 30 })
    expect(
      measure('write', [write(1), write(2)], ['w1', 'w2'], moments(1, 2)).lastFailureSeconds,
    ).toBe(0)
  })

  it('GIVEN a load without one success WHEN judged THEN it does not pass for lack of figures', () => {
    expect(violations(measure('write', [write(1, false)], [], moments(0, 2)), node)).toEqual([
      'write: none of 1 requests succeeded',
    ])
  })

  it('GIVEN one turn that waited for a new worker WHEN measured THEN its time counts, though others went on', () => {
    const turn = (second: number, took: number): Attempt => ({
      ...write(second),
      kind: 'turn',
      startedAt: (second - took) * 1000,
    })
    const attempts = [turn(42, 40), ...Array.from({ length: 41 }, (_, n) => turn(n + 1, 1))]
    expect(measure('turn', attempts, [], moments(0, 42)).rtoSeconds).toBe(40)
  })

  it('GIVEN a database restored to a moment WHEN judged THEN what came before must be there and what came after must not', () => {
    const log = { attempts: [write(1), write(2), write(5), write(6)] }
    const held = judgeRestored(log, ['w1', 'w2'], 3_000, { from: 0, broken: 10_000, to: 70_000 })
    expect(held).toMatchObject({ measurements: [{ missing: 0, rtoSeconds: 60 }], reasons: [] })
    const wrong = judgeRestored(log, ['w1', 'w6'], 3_000, { from: 0, broken: 10_000, to: 70_000 })
    expect(wrong).toMatchObject({
      measurements: [{ missing: 1 }],
      reasons: ['write: 1 written after the restored moment are there'],
    })
  })

  it('GIVEN stream ids with a hole and a repeat WHEN judged THEN both are counted', () => {
    expect(streamFaults([4, 5, 5, 7])).toEqual({ missing: 1, repeated: 1 })
    expect(streamFaults([])).toEqual({ missing: 0, repeated: 0 })
  })

  it('GIVEN a step with an unknown value WHEN substituted THEN the value is named', () => {
    expect(() => substitute(['delete', 'pod', '$primary'], {})).toThrow('"$primary"')
    expect(substitute(['delete', 'pod', '$primary'], { primary: 'a-1' })).toEqual([
      'delete',
      'pod',
      'a-1',
    ])
  })
})
