import { bringUpCluster } from '../../cluster/bring-up.ts'
import { parseUpOptions } from '../../cluster/options.ts'
import { createProgress } from '../../cluster/progress.ts'
import { tearDown } from '../../cluster/tear-down.ts'
import { removeRelease } from '../cluster/lib/environment.ts'

/** Brings the production profile up with nothing of an earlier suite on it: its database would be another one's. Removes it at the end. */
export default async function setup(): Promise<() => Promise<void>> {
  const options = parseUpOptions(['--profile', 'production', '--name', 'opencode-test', '--port', '8090'])
  const progress = createProgress()
  await bringUpCluster(options, progress)
  await removeRelease()
  return async () => {
    if (process.env['KEEP_CLUSTER'] === undefined) await tearDown({ name: options.name, all: false }, progress)
  }
}
