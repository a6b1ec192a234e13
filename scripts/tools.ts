// `npm run tools [-- --cluster] [--operators]`: the pinned command-line tools; with --cluster also what a cluster is made of,
// with --operators the controllers of the production profile.
import { createProgress } from '../cluster/progress.ts'
import {
  cliTools,
  clusterTools,
  ensureTools,
  operatorTools,
  restrictedRuntime,
} from '../cluster/tools.ts'
import { UserError, main } from './lib/user-error.ts'

await main(async () => {
  const args = process.argv.slice(2)
  const unknown = args.find((argument) => argument !== '--cluster' && argument !== '--operators')
  if (unknown !== undefined)
    throw new UserError(`unknown option "${unknown}". Known: --cluster, --operators.`)
  const cluster = args.includes('--cluster') ? [restrictedRuntime, ...clusterTools] : []
  const tools = [...cliTools, ...cluster, ...(args.includes('--operators') ? operatorTools : [])]
  const progress = createProgress()
  await progress.step('pinned tools', () => ensureTools(tools, progress.line))
})
