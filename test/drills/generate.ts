import { drills } from './catalogue/index.ts'
import { runbook } from './lib/runbook.ts'

/** The runbooks of the drills: path from the repository's root → content. */
export function generateDrillRunbooks(): Record<string, string> {
  return Object.fromEntries(
    drills.map((drill) => [`docs/runbooks/drills/${drill.name}.md`, runbook(drill)]),
  )
}
