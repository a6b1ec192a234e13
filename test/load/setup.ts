import { bringUpCluster } from '../../cluster/bring-up.ts'
import { createProgress } from '../../cluster/progress.ts'
import { installService } from '../../cluster/service.ts'
import { options } from './target.ts'

/** Brings the production profile up as `npm run up -- --profile production` does. It stays: the suites after this one use it too. */
export default async function setup(): Promise<void> {
  const progress = createProgress()
  const cluster = await bringUpCluster(options, progress)
  await installService({ options, offline: cluster.offline, seconds: 600 }, progress)
}
