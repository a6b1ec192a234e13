import { bringUpCluster } from '../../../cluster/bring-up.ts'
import { buildImages } from '../../../cluster/images/index.ts'
import { createProgress } from '../../../cluster/progress.ts'
import { registry } from '../../../cluster/registry.ts'
import { removeRelease } from '../../../cluster/release.ts'
import { tearDown } from '../../../cluster/tear-down.ts'
import { options, release } from './environment.ts'

/** Brings the suite's cluster up as `npm run up` does, with nothing of an earlier run left on it; removes it at the end. */
export default async function setup(): Promise<() => Promise<void>> {
  const progress = createProgress()
  const cluster = await bringUpCluster(options, progress)
  await progress.step('images', () =>
    buildImages({ registry: registry.host, offline: cluster.offline, progress }),
  )
  await removeRelease(release)
  return async () => {
    if (process.env['KEEP_CLUSTER'] === undefined)
      await tearDown({ name: options.name, all: false }, progress)
  }
}
