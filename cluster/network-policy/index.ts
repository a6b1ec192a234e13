import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { publishProgram } from '../images/publish.ts'
import { kubectl } from '../kind-cluster.ts'
import { root, stateDir } from '../paths.ts'
import { ensureTools, toolStamp, type Tool } from '../tools.ts'

const folder = join(root, 'cluster', 'network-policy')

/** The agent that enforces NetworkPolicies on the nodes of a test cluster. */
export const networkPolicyAgent: Tool = {
  name: 'network-policy',
  module: 'cluster/network-policy',
  package: './agent',
}

/**
 * Installs the agent on every node and waits until each has its first rules. Does nothing where the same version was
 * installed before.
 * @throws ProcessOutput (zx) when a node's agent is not ready within 3 minutes.
 */
export async function ensureNetworkPolicy(
  cluster: string,
  line: (text: string) => void,
): Promise<void> {
  await ensureTools([networkPolicyAgent], line)
  // The tag names the content: a node never runs an older agent under the same name.
  const ref = `docker.io/opencode-test/network-policy:${toolStamp(networkPolicyAgent).slice(0, 12)}`
  await publishProgram(networkPolicyAgent, {}, ref, line)
  const manifest = readFileSync(join(folder, 'daemonset.yaml'), 'utf8').replaceAll('__IMAGE__', ref)
  const done = join(stateDir, cluster, 'network-policy')
  if (!existsSync(done) || readFileSync(done, 'utf8') !== manifest) {
    line('installing the NetworkPolicy agent on the nodes')
    await kubectl(
      cluster,
      ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
      manifest,
    )
  }
  await kubectl(cluster, [
    'rollout',
    'status',
    'daemonset/network-policy',
    '--namespace',
    'kube-system',
    '--timeout',
    '180s',
  ])
  mkdirSync(join(stateDir, cluster), { recursive: true })
  writeFileSync(done, manifest)
}
