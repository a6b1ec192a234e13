// `npm run drill [-- NAME… --runs N --add --list --report --docs]`: breaks the production cluster on purpose, under load, and measures what
// clients notice. The worst of several runs counts.
import { createProgress } from '../cluster/progress.ts'
import { drills } from '../test/drills/catalogue/index.ts'
import { campaign, reportAgain } from '../test/drills/lib/campaign.ts'
import { parseDrillOptions } from '../test/drills/lib/options.ts'
import { UserError, main } from './lib/user-error.ts'

await main(async () => {
  const options = parseDrillOptions(process.argv.slice(2), drills)
  if (options.list) {
    for (const drill of options.drills)
      process.stdout.write(`${drill.name.padEnd(24)}${drill.title}\n`)
    return
  }
  if (options.report) {
    for (const file of reportAgain()) process.stdout.write(`wrote ${file}\n`)
    return
  }
  const wrong = await campaign(options, createProgress())
  if (wrong.length > 0) throw new UserError(`not as it should be: ${wrong.join(', ')}.`)
})
