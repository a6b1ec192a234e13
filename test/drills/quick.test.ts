import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bringUpCluster } from '../../cluster/bring-up.ts'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { parseUpOptions } from '../../cluster/options.ts'
import { createProgress } from '../../cluster/progress.ts'
import { tearDown } from '../../cluster/tear-down.ts'
import { drills, quick } from './catalogue/index.ts'
import { namespace, workerNamespace } from './catalogue/names.ts'
import { drillsFolder, outcome, runOrReport } from './lib/campaign.ts'
import { ensureDrillService, settle } from './lib/environment.ts'
import type { DrillContext } from './lib/run-drill.ts'

/** The cluster suite's cluster, with the production profile. */
const options = parseUpOptions(['--name', 'opencode-test', '--port', '8090', '--profile', 'production'])

describe('on a real cluster', () => {
  let context: DrillContext
  const progress = createProgress()

  beforeAll(async () => {
    await bringUpCluster(options, progress)
    // Nothing of an earlier suite is left: its database would be another one's.
    await kubectl(options.name, ['delete', 'namespace', namespace, workerNamespace, '--ignore-not-found', '--timeout=180s'])
    context = await ensureDrillService(options, progress, join(drillsFolder, 'quick'))
  })

  afterAll(async () => {
    if (process.env['KEEP_CLUSTER'] === undefined) await tearDown({ name: options.name, all: false }, progress)
  })

  it.each(drills.filter(({ name }) => quick.includes(name)))('$title: within the budget of the document, nothing lost', async (drill) => {
    await settle(context, progress)
    const result = await progress.step(drill.name, () => runOrReport(drill, context))
    for (const line of outcome(result)) progress.line(line)
    expect(result.violations).toEqual([])
  })
})
