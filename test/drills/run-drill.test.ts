import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { AttemptLog } from './lib/attempts.ts'
import { runOrReport } from './lib/campaign.ts'
import type { Drill } from './lib/drill.ts'
import { startExampleService, type Faults } from './lib/example-service.ts'
import { runDrill, type DrillContext, type DrillResult } from './lib/run-drill.ts'

const folder = mkdtempSync(join(tmpdir(), 'drills-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A drill and the files that it works with: drills run at once. */
interface Example {
  readonly drill: Drill
  /** The service is away while it exists. */
  readonly down: string
  /** The repair leaves it. */
  readonly mark: string
}

/** A drill whose service is away for three seconds. */
function example(change: Partial<Drill> = {}): Example {
  const own = mkdtempSync(join(folder, 'drill-'))
  const [down, mark] = [join(own, 'down'), join(own, 'restored')]
  const drill: Drill = {
    name: 'example',
    title: 'Example',
    component: 'example',
    scenario: 'node',
    loads: ['write', 'read'],
    inject: [
      { title: 'Break it', command: ['touch', down] },
      { title: 'Wait', command: ['sleep', '3'] },
    ],
    recover: [{ title: 'Mend it', command: ['rm', down] }],
    restore: [{ title: 'Leave a mark', command: ['touch', mark] }],
    deadlineSeconds: 20,
    ...change,
  }
  return { drill, down, mark }
}

async function run({ drill, down }: Example, faults: Faults = {}): Promise<DrillResult> {
  const service = await startExampleService(down, faults)
  const context: DrillContext = {
    cluster: 'none',
    target: { url: service.url, token: 'token' },
    namespaces: [],
    folder: dirname(down),
    progress: () => undefined,
    pace: { warmUpMs: 1_000, patienceMs: 1_000, settleMs: 1_000 },
  }
  try {
    return await runDrill(drill, context)
  } finally {
    await service.stop()
  }
}

describe.concurrent('a drill against a service', () => {
  it('GIVEN a service that loses nothing WHEN it is away for a while THEN the gap is measured and nothing else is found', async () => {
    const result = await run(example())
    expect(result.violations).toEqual([])
    for (const { failed, missing, duplicates, rtoSeconds } of result.measurements) {
      expect({ missing, duplicates }).toEqual({ missing: 0, duplicates: 0 })
      expect(failed).toBeGreaterThan(0)
      expect(rtoSeconds).toBeGreaterThanOrEqual(3)
    }
    expect(result.events.map(({ text }) => text)).toEqual([
      'Break it',
      'Wait',
      'Mend it',
      'Leave a mark',
    ])
  })

  it('GIVEN a service that forgets what it acknowledged WHEN compared THEN the loss is found', async () => {
    const { violations } = await run(example(), { forgets: 10 })
    expect(violations).toEqual([expect.stringMatching(/^write: \d+ acknowledged and missing/)])
  })

  it('GIVEN a stream that leaves events out WHEN compared THEN they are missed', async () => {
    const { violations } = await run(example(), { skips: 7 })
    expect(violations).toContainEqual(expect.stringMatching(/^stream: \d+ events missing/))
  })

  it('GIVEN a proof that fails WHEN the drill ends THEN it is a finding, and the figures are there', async () => {
    const result = await run(
      example({ proof: [{ title: 'Write to the old primary', command: ['true'], refused: true }] }),
    )
    expect(result.violations).toEqual([
      expect.stringContaining('"Write to the old primary" succeeded and must not'),
    ])
    expect(result.measurements).toHaveLength(2)
  })

  it('GIVEN a step that breaks WHEN the drill stops THEN the cluster is repaired all the same and the report says why', async () => {
    const context: DrillContext = {
      cluster: 'none',
      target: { url: 'http://127.0.0.1:1', token: '' },
      namespaces: [],
      folder,
      progress: () => undefined,
      pace: { warmUpMs: 0, patienceMs: 0, settleMs: 0 },
    }
    const { drill, mark } = example({ inject: [{ title: 'Break it', command: ['false'] }] })
    const result = await runOrReport(drill, context)
    expect(result.violations).toEqual([
      expect.stringContaining('did not finish: The drill\'s step "Break it" failed'),
    ])
    rmSync(mark)
  })

  it('GIVEN a scene that cannot be set WHEN the drill gives up THEN what there is of it is repaired', async () => {
    const scene = example({ prepare: [{ title: 'Set the scene', command: ['false'] }] })
    await expect(run(scene)).rejects.toThrow('step "Set the scene" failed')
    rmSync(scene.mark)
  })

  it('GIVEN a run WHEN its log is read back THEN it has every attempt', async () => {
    const log = new AttemptLog(join(folder, 'log.jsonl'))
    log.add({ kind: 'write', number: 0, startedAt: 1, endedAt: 2, acknowledged: true, id: 'a' })
    log.add({
      kind: 'write',
      number: 1,
      startedAt: 2,
      endedAt: 3,
      acknowledged: false,
      error: 'HTTP 503',
    })
    expect(AttemptLog.read(join(folder, 'log.jsonl'))).toEqual(log.attempts)
  })
})
