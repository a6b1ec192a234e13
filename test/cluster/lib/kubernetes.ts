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
export async function exec(
  namespace: string,
  pod: string,
  container: string,
  command: readonly string[],
  seconds = 20,
): Promise<Executed> {
  const run = $({
    quiet: true,
    nothrow: true,
    env: clusterEnv(options.name),
    timeout: seconds * 1000,
  })
  const result =
    await run`${tool('kubectl')} exec --namespace ${namespace} ${pod} --container ${container} -- ${command}`
  return { code: result.exitCode ?? 1, output: result.stdout + result.stderr }
}

/** A running pod. */
export interface RunningPod {
  readonly name: string
  readonly ip: string
  readonly node: string
}

/** A component's running pods. */
export async function podsOf(namespace: string, component: string): Promise<RunningPod[]> {
  const list = await api().core.listNamespacedPod({
    namespace,
    labelSelector: `app.kubernetes.io/component=${component}`,
  })
  return list.items
    .filter(({ status, metadata }) => status?.phase === 'Running' && !metadata?.deletionTimestamp)
    .map(({ metadata, status, spec }) => ({
      name: metadata?.name ?? '',
      ip: status?.podIP ?? '',
      node: spec?.nodeName ?? '',
    }))
}

/** Name of a component's first pod. */
export async function podOf(namespace: string, component: string): Promise<string> {
  const [pod] = await podsOf(namespace, component)
  if (pod === undefined) throw new Error(`no pod of component ${component} runs in ${namespace}`)
  return pod.name
}

/** A way to a Service from this machine, closed at the end of its scope. */
export interface Forward extends AsyncDisposable {
  readonly url: string
}

/** Forwards a free local port to a port of `target` (`service/name`). */
export async function portForward(
  namespace: string,
  target: string,
  port: number,
): Promise<Forward> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(options.name) })
  const child = run`${tool('kubectl')} port-forward --namespace ${namespace} ${target} ${`:${port}`}`
  const url = await new Promise<string>((resolve, reject) => {
    // Read on to its end: kubectl stops when nobody takes its output.
    child.stdout.on('data', (chunk: Buffer) => {
      const local = /127\.0\.0\.1:(\d+)/.exec(String(chunk))?.[1]
      if (local !== undefined) resolve(`http://127.0.0.1:${local}`)
    })
    void child.then(({ stderr }) => reject(new Error(`kubectl port-forward ended: ${stderr}`)))
  })
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      // zx refuses to stop what has ended by itself.
      if (child.stage === 'running') await child.kill()
    },
  }
}
