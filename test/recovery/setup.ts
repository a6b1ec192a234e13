import { bringUpCluster } from '../../cluster/bring-up.ts'
import { createProgress } from '../../cluster/progress.ts'
import { removeRelease } from '../../cluster/release.ts'
import { tearDown } from '../../cluster/tear-down.ts'
import { options as cluster, release } from '../cluster/lib/environment.ts'

/** Brings the production profile up with nothing of an earlier suite on it: its database would be another one's. Removes it at the end. */
export default async function setup(): Promise<() => Promise<void>> {
  const progress = createProgress()
  await bringUpCluster({ ...cluster, profile: 'production' }, progress)
  await removeRelease(release)
  return async () => {
    if (process.env['KEEP_CLUSTER'] === undefined)
      await tearDown({ name: cluster.name, all: false }, progress)
  }
}
