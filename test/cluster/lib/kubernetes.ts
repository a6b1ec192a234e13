import { $ } from 'zx'
import { AppsV1Api, CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { clusterEnv, kubeconfig } from '../../../cluster/kind-cluster.ts'
import { tool } from '../../../cluster/paths.ts'
import { options } from './environment.ts'

const config = new KubeConfig()

/** The cluster's API; the kubeconfig is read at the first use, after the cluster was made. */
export function api(): { core: CoreV1Api; apps: AppsV1Api } {
  if (config.clusters.length === 0) config.loadFromFile(kubeconfig(options.name))
  return { core: config.makeApiClient(CoreV1Api), apps: config.makeApiClient(AppsV1Api) }
}

/** What a program run in a pod printed, and its exit code. */
export interface Executed {
  readonly code: number
  readonly output: string
}

/** Runs a program in a running pod, ended after `seconds`. */
export async function exec(namespace: string, pod: string, container: string, command: readonly string[], seconds = 20): Promise<Executed> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(options.name), timeout: seconds * 1000 })
  const result = await run`${tool('kubectl')} exec --namespace ${namespace} ${pod} --container ${container} -- ${command}`
  return { code: result.exitCode ?? 1, output: result.stdout + result.stderr }
}

/** Name of a component's first pod. */
export async function podOf(namespace: string, component: string): Promise<string> {
  const list = await api().core.listNamespacedPod({ namespace, labelSelector: `app.kubernetes.io/component=${component}` })
  const name = list.items.find((pod) => pod.status?.phase === 'Running')?.metadata?.name
  if (name === undefined) throw new Error(`no pod of component ${component} runs in ${namespace}`)
  return name
}
