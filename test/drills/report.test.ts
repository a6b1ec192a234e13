import { describe, expect, it } from 'vitest'
import { UserError } from '../../scripts/lib/user-error.ts'
import { drills } from './catalogue/index.ts'
import { byValues, replaceResults } from './lib/campaign.ts'
import type { Drill } from './lib/drill.ts'
import { merge } from './lib/environment.ts'
import { parseDrillOptions } from './lib/options.ts'
import { html, markdown, passed, rows, verdict } from './lib/report.ts'
import type { DrillResult } from './lib/run-drill.ts'
import { shownEvents } from './lib/timeline.ts'

const drill: Drill = {
  name: 'example',
  title: 'A <b>pod</b> killed',
  component: 'API',
  scenario: 'pod',
  loads: ['write'],
  inject: [],
  restore: [],
  deadlineSeconds: 1,
  exceptions: { write: { rtoSeconds: 30, why: 'it takes its time' } },
}

function result(rtoSeconds: number, violations: string[] = []): DrillResult {
  return {
    drill: 'example',
    startedAt: '2026-01-01T00:00:00.000Z',
    moments: { from: 0, broken: 1_000, to: 40_000 },
    measurements: [
      {
        kind: 'write',
        attempts: 100,
        failed: 3,
        rtoSeconds,
        lastFailureSeconds: 12.5,
        steadySeconds: 0.2,
        missing: 0,
        rpoSeconds: 0,
        duplicates: 0,
      },
    ],
    stream: { missing: 0, repeated: 0, connects: 3 },
    violations,
    events: [{ at: 1_000, text: 'Kill "it"', own: true }],
    attempts: [
      { kind: 'write', number: 0, startedAt: 900, endedAt: 1_000, acknowledged: true, id: 'a' },
    ],
  }
}

describe('the report', () => {
  it('GIVEN several runs WHEN summed up THEN the worst figure counts', () => {
    const [row] = rows([drill], [result(3), result(21.4), result(5)])
    expect(row).toMatchObject({
      runs: 3,
      worst: [{ rtoSeconds: 21.4 }],
      gaps: [[3, 21.4, 5]],
      violations: [],
    })
  })

  it('GIVEN a control WHEN it misses its budget THEN that is what it must do', () => {
    const control = { ...drill, control: true }
    expect(verdict({ drill: control, violations: ['late'] })).toBe('missed, as it must')
    expect(passed({ drill: control, violations: [] })).toBe(false)
    expect(passed({ drill, violations: ['late'] })).toBe(false)
  })

  it('GIVEN results WHEN written THEN table, reasons, machine and the drills that were not run are there', () => {
    const text = markdown(
      [drill, { ...drill, name: 'other', title: 'Other' }],
      [result(21.4, ['stream: 2 events missing'])],
      { date: '2026-01-01' },
    )
    expect(text).toContain('| API | 1 | write | 100 | 3 | 21.4 s | 21.4 | 30 s | 12.5 s |')
    expect(text).toContain(
      'cannot hold as written for the API (writes 21.4 s, 30 s allowed): it takes its time.',
    )
    expect(text).toContain('stream: 2 events missing.')
    expect(text).toContain('Not run: Other.')
    expect(text).toContain('- date: 2026-01-01')
  })

  it('GIVEN results WHEN the page is written THEN it needs nothing beside it and quotes what it shows', () => {
    const page = html([drill], [result(21.4)], { machine: '2 < 3' })
    expect(page).not.toMatch(/ (src|href)="|<script|@import|url\(/)
    expect(page).toContain('A &lt;b&gt;pod&lt;/b&gt; killed')
    expect(page).toContain('2 &lt; 3')
    expect(page).toContain('Kill &quot;it&quot;')
    expect(page.match(/<svg/g)).toHaveLength(1)
  })

  it('GIVEN more events than a plot holds WHEN chosen THEN the steps of the drill stay and repetitions go', () => {
    const many = Array.from({ length: 100 }, (_, n) => ({
      at: n * 10,
      text: 'Started pod/a',
      own: false,
    }))
    const shown = shownEvents([...many, { at: 999, text: 'Kill it', own: true }], {
      from: 0,
      broken: 0,
      to: 2_000,
    })
    expect(shown.map(({ text }) => text)).toEqual(['Started pod/a', 'Kill it'])
  })

  it('GIVEN newer results of a drill WHEN added THEN all older ones of it go', () => {
    const other = { ...result(1), drill: 'other' }
    expect(
      replaceResults([result(1), result(2), other], [result(3)]).map(({ drill: name }) => name),
    ).toEqual(['other', 'example'])
  })
})

describe('the command line', () => {
  it('GIVEN no names WHEN parsed THEN all drills run three times and the summary is written', () => {
    expect(parseDrillOptions([], drills)).toMatchObject({
      drills,
      runs: 3,
      docs: true,
      cluster: { name: 'opencode-prod', port: 8091, profile: 'production' },
    })
  })

  it('GIVEN names WHEN parsed THEN those drills run, in the order of the catalogue', () => {
    const options = parseDrillOptions(['switchover', 'api-pod', '--runs', '1'], drills)
    expect(options.drills.map(({ name }) => name)).toEqual(['api-pod', 'switchover'])
    expect(options).toMatchObject({ runs: 1, docs: false })
  })

  it.each([
    [['nothing'], 'no drill named "nothing". Known: api-pod,'],
    [['--runs', 'x'], '--runs "x": use a whole number from 1.'],
    [['--fast'], "Unknown option '--fast'"],
  ])('GIVEN %s WHEN parsed THEN the mistake is quoted', (args, message) => {
    expect(() => parseDrillOptions(args, drills)).toThrow(UserError)
    expect(() => parseDrillOptions(args, drills)).toThrow(message)
  })
})

it('GIVEN drills with values of their own WHEN ordered THEN the release is changed once for each set of values', () => {
  const other = { ...drill, name: 'other', overlay: { region: 'x' } }
  expect(
    byValues([drill, other, { ...drill, name: 'third' }]).map((group) =>
      group.map(({ name }) => name),
    ),
  ).toEqual([['example', 'third'], ['other']])
})

it('GIVEN values over others WHEN merged THEN maps are joined and the second one wins', () => {
  const merged = merge(
    { api: { replicas: 2, limits: { requestsPerMinute: 0 } } },
    { api: { replicas: 3 } },
  )
  expect(merged).toEqual({ api: { replicas: 3, limits: { requestsPerMinute: 0 } } })
})
