// `npm run tools [-- --cluster]`: the pinned command-line tools; with --cluster also what a cluster is made of.
import { createProgress } from '../cluster/progress.ts'
import { cliTools, clusterTools, ensureTools, restrictedRuntime } from '../cluster/tools.ts'
import { UserError, main } from './lib/user-error.ts'

await main(async () => {
  const args = process.argv.slice(2)
  const unknown = args.find((argument) => argument !== '--cluster')
  if (unknown !== undefined) throw new UserError(`unknown option "${unknown}". Known: --cluster.`)
  const tools = args.includes('--cluster') ? [...cliTools, restrictedRuntime, ...clusterTools] : cliTools
  const progress = createProgress()
  await progress.step('pinned tools', () => ensureTools(tools, progress.line))
})
