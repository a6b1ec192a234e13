import { clusterTools, ensureTools, toolNamed } from '../../cluster/tools.ts'

/** Makes what the suite starts, where a machine that pulls images has not made it yet. */
export default async function setup(): Promise<void> {
  const names = ['etcd', 'kube-apiserver', 'kube-controller-manager']
  await ensureTools(
    names.map((name) => toolNamed(name, clusterTools)),
    (text) => {
      process.stdout.write(`${text}\n`)
    },
  )
}
