import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Step } from './lib/drill.ts'
import { runSteps } from './lib/steps.ts'
import type { ClusterEvent } from './lib/timeline.ts'

const shell = { cluster: 'none', progress: () => undefined }
const folder = mkdtempSync(join(tmpdir(), 'drill-steps-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(
  steps: readonly Step[],
): Promise<{ values: Record<string, string>; events: ClusterEvent[] }> {
  const values: Record<string, string> = {}
  const events: ClusterEvent[] = []
  await runSteps(shell, steps, values, events)
  return { values, events }
}

describe('the steps of a drill', () => {
  it('GIVEN a step that saves WHEN run THEN later commands and inputs have its output', async () => {
    const { values, events } = await run([
      { title: 'Name', command: ['printf', 'a-1\n'], saves: 'pod' },
      { title: 'Use', command: ['cat'], input: 'pod: $pod', saves: 'text' },
    ])
    expect(values).toEqual({ pod: 'a-1', text: 'pod: a-1' })
    expect(events.map(({ text, own }) => [text, own])).toEqual([
      ['Name', true],
      ['Use', true],
    ])
  })

  it('GIVEN a step that may take its time WHEN it fails at first THEN it is repeated until it does not', async () => {
    const file = join(folder, 'there')
    setTimeout(() => writeFileSync(file, ''), 500)
    await run([{ title: 'Wait', command: ['test', '-e', file], within: 30 }])
  })

  it('GIVEN a step that must be refused WHEN it succeeds THEN the drill says so', async () => {
    await expect(run([{ title: 'Write', command: ['true'], refused: true }])).rejects.toThrow(
      '"Write" succeeded and must not: true',
    )
    await run([{ title: 'Write', command: ['false'], refused: true }])
  })

  it('GIVEN an output that is not the expected one WHEN judged THEN both are quoted', async () => {
    await expect(run([{ title: 'Ask', command: ['echo', 'f'], prints: 't' }])).rejects.toThrow(
      '"Ask" did not print "t": echo f\nf',
    )
  })

  it('GIVEN a step that fails WHEN run THEN what it said is in the error', async () => {
    await expect(
      run([{ title: 'Break', command: ['sh', '-c', 'echo no such pod >&2; exit 1'] }]),
    ).rejects.toThrow('no such pod')
  })
})
