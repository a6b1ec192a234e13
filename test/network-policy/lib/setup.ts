import { bringUpCluster } from '../../../cluster/bring-up.ts'
import { publishNodeBase } from '../../../cluster/images/index.ts'
import { createProgress } from '../../../cluster/progress.ts'
import { registry } from '../../../cluster/registry.ts'
import { options } from './pods.ts'

/** Brings the tests' cluster up, the one that the cluster suite uses after this one and removes. */
export default async function setup(): Promise<void> {
  const progress = createProgress()
  const { offline } = await bringUpCluster(options, progress)
  if (offline) await progress.step('test image', () => publishNodeBase(registry.host, progress.line))
}
