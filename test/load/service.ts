import { bringUpCluster } from '../../cluster/bring-up.ts'
import type { Progress } from '../../cluster/progress.ts'
import { installService } from '../../cluster/service.ts'
import { options } from './target.ts'

/** Brings the production profile up as `npm run up -- --profile production` does. */
export async function ensureLoadService(progress: Progress): Promise<void> {
  const cluster = await bringUpCluster(options, progress)
  await installService({ options, offline: cluster.offline, seconds: 600 }, progress)
}
