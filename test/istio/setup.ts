import { envoyBinary } from '../../cluster/envoy.ts'
import { readHost } from '../../cluster/host.ts'
import { ensurePrograms, pip } from '../../cluster/packages.ts'
import { clusterTools, ensureTools, toolNamed } from '../../cluster/tools.ts'

const openssl = { program: 'openssl', probe: ['version'], package: 'openssl' }

/** Makes what the suite starts, where a machine that pulls images has not made it yet. */
export default async function setup(): Promise<void> {
  const line = (text: string): void => {
    process.stdout.write(`${text}\n`)
  }
  await ensurePrograms(readHost(), [pip, openssl], line)
  await ensureTools(
    ['etcd', 'kube-apiserver'].map((name) => toolNamed(name, clusterTools)),
    line,
  )
  await envoyBinary()
}
