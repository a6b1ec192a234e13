import { describe, expect, it } from 'vitest'
import { substitute } from './lib/drill.ts'
import { streamFaults } from './lib/sse-reader.ts'
import { longestGap, measure, violations } from './lib/verdict.ts'
import type { Attempt } from './lib/attempts.ts'

/** A write that ended at the given second. */
function write(second: number, acknowledged = true): Attempt {
  const endedAt = second * 1000
  return { kind: 'write', number: second, startedAt: endedAt - 10, endedAt, acknowledged, ...(acknowledged ? { id: `w${second}` } : {}) }
}

const node = { rtoSeconds: 120, rpoSeconds: 0 }

describe('the oracle of the drills', () => {
  it('GIVEN successes with a hole WHEN the gap is measured THEN failures in it do not count as successes', () => {
    const attempts = [write(1), write(2), write(5, false), write(9), write(10)]
    expect(longestGap(attempts, 1_000, 10_000)).toEqual({ start: 2_000, end: 9_000 })
  })

  it('GIVEN no success after the failure WHEN the gap is measured THEN it lasts to the end of the window', () => {
    expect(longestGap([write(1), write(2)], 0, 60_000)).toEqual({ start: 2_000, end: 60_000 })
  })

  it('GIVEN an acknowledged write that is gone WHEN measured THEN it is lost, with its age before recovery', () => {
    const result = measure('write', [write(1), write(2), write(3, false), write(10)], ['w1', 'w10'], [1_000, 10_000])
    expect(result).toMatchObject({ missing: 1, failed: 1, rtoSeconds: 8, rpoSeconds: 8 })
    expect(violations(result, node)).toHaveLength(1)
  })

  it('GIVEN an unacknowledged write that is there WHEN measured THEN nothing is wrong', () => {
    const result = measure('write', [write(1), write(2, false)], ['w1', 'w2'], [1_000, 2_000])
    expect(violations(result, node)).toEqual([])
  })

  it('GIVEN one write found twice WHEN measured THEN it is a violation', () => {
    const result = measure('write', [write(1)], ['w1', 'w1'], [1_000, 1_000])
    expect(violations(result, node)).toEqual(['write: 1 written once and found more than once'])
  })

  it('GIVEN a gap over the budget WHEN judged THEN the figures are in the reason', () => {
    const result = measure('write', [write(0), write(200)], ['w0', 'w200'], [0, 200_000])
    expect(violations(result, node)).toEqual(['write: 200.0 s without a success, 120 s allowed'])
  })

  it('GIVEN stream ids with a hole and a repeat WHEN judged THEN both are counted', () => {
    expect(streamFaults([4, 5, 5, 7])).toEqual({ missing: 1, repeated: 1 })
    expect(streamFaults([])).toEqual({ missing: 0, repeated: 0 })
  })

  it('GIVEN a step with an unknown value WHEN substituted THEN the value is named', () => {
    expect(() => substitute(['delete', 'pod', '$primary'], {})).toThrow('"$primary"')
    expect(substitute(['delete', 'pod', '$primary'], { primary: 'a-1' })).toEqual(['delete', 'pod', 'a-1'])
  })
})
