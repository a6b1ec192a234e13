// `npm run up [-- --region REGION] [--name NAME] [--profile PROFILE] [--port PORT] [--offline]`: a cluster, the service on
// it, one real prompt through it.
import { bringUpCluster, saveTimings } from '../cluster/bring-up.ts'
import { parseUpOptions } from '../cluster/options.ts'
import { createProgress } from '../cluster/progress.ts'
import { main } from './lib/user-error.ts'

await main(async () => {
  const options = parseUpOptions(process.argv.slice(2))
  const progress = createProgress()
  const cluster = await bringUpCluster(options, progress)
  saveTimings(cluster.name, progress)
})
