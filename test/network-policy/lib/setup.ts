import { bringUpCluster } from '../../../cluster/bring-up.ts'
import { publishNodeBase } from '../../../cluster/images/index.ts'
import { createProgress } from '../../../cluster/progress.ts'
import { publicRegistryReachable } from '../../../cluster/public-registry.ts'
import { registry } from '../../../cluster/registry.ts'
import { options } from './pods.ts'

/**
 * Brings the tests' cluster up, the one that the cluster suite uses after this one and removes. A cluster named by
 * `NETWORK_POLICY_CLUSTER` has to be up already.
 */
export default async function setup(): Promise<void> {
  const progress = createProgress()
  if (process.env['NETWORK_POLICY_CLUSTER'] === undefined) await bringUpCluster(options, progress)
  if (!(await publicRegistryReachable()))
    await progress.step('test image', () => publishNodeBase(registry.host, progress.line))
}
