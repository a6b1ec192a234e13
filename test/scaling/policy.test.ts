import { describe, expect, it } from 'vitest'
import { earliest, fastest } from './policy.ts'

describe("the document's scaling behaviour", () => {
  it('goes from 3 to 50 API pods in four steps after a minute', () => {
    expect(fastest(3, 50)).toEqual([
      { pods: 7, earliest: 60 },
      { pods: 14, earliest: 75 },
      { pods: 28, earliest: 90 },
      { pods: 50, earliest: 105 },
    ])
  })

  it('goes from 2 to 20 workers in three', () => {
    expect(fastest(2, 20).map(({ pods }) => pods)).toEqual([6, 12, 20])
  })

  it('goes down by a tenth a minute, after five minutes', () => {
    expect(fastest(8, 3)).toEqual([
      { pods: 7, earliest: 300 },
      { pods: 6, earliest: 360 },
      { pods: 5, earliest: 420 },
      { pods: 4, earliest: 480 },
      { pods: 3, earliest: 540 },
    ])
  })

  it('says when a number between two steps is possible', () => {
    expect(earliest(3, 50, 5)).toBe(60)
    expect(earliest(3, 50, 20)).toBe(90)
    expect(earliest(8, 3, 4)).toBe(480)
  })
})
