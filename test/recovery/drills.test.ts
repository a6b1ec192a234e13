import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { createProgress } from '../../cluster/progress.ts'
import { drills, quick } from '../drills/catalogue/index.ts'
import { drillsFolder, outcome, runOrReport } from '../drills/lib/campaign.ts'
import type { Drill, Exception } from '../drills/lib/drill.ts'
import { ensureDrillService, settle } from '../drills/lib/environment.ts'
import type { DrillContext } from '../drills/lib/run-drill.ts'
import { options } from '../load/target.ts'

/** The same drill, held to recover at all and to lose nothing: how fast is what `npm run drill` measures, with nothing beside it. */
function untimed(drill: Drill): Drill {
  const exception: Exception = {
    rtoSeconds: drill.deadlineSeconds,
    why: 'a test does not measure time',
  }
  return { ...drill, exceptions: Object.fromEntries(drill.loads.map((kind) => [kind, exception])) }
}

describe('on a real cluster', () => {
  let context: DrillContext
  const progress = createProgress()

  beforeAll(async () => {
    context = await ensureDrillService(options, progress, join(drillsFolder, 'quick'))
  })

  it.each(drills.filter(({ name }) => quick.includes(name)))(
    '$title: the service recovers by itself, nothing is lost',
    async (drill) => {
      await settle(context, progress)
      const result = await progress.step(drill.name, () => runOrReport(untimed(drill), context))
      for (const line of outcome(result)) progress.line(line)
      expect(result.violations).toEqual([])
    },
  )
})
