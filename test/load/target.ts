import { KubeConfig, type ApiConstructor, type ApiType } from '@kubernetes/client-node'
import { userToken } from '../../cluster/first-prompt.ts'
import { kubeconfig } from '../../cluster/kind-cluster.ts'
import { parseUpOptions } from '../../cluster/options.ts'
import { releaseOn } from '../../cluster/service.ts'

const { LOAD_CLUSTER: cluster = 'opencode-prod', LOAD_PORT: port = '8091' } = process.env

/** The cluster of the production profile that load, delivery and drills share; `LOAD_CLUSTER` and `LOAD_PORT` name another one. */
export const options = parseUpOptions([
  '--profile',
  'production',
  '--name',
  cluster,
  '--port',
  port,
])

export const release = releaseOn(options.name)

/** Address of its gateway. */
export const url = `http://127.0.0.1:${options.port}`

const config = new KubeConfig()

/** A client of the cluster's API; the kubeconfig is read at the first use, after the cluster was made. */
export function client<T extends ApiType>(type: ApiConstructor<T>): T {
  if (config.clusters.length === 0) config.loadFromFile(kubeconfig(options.name))
  return config.makeApiClient(type)
}

/** Tokens of so many tenants: limits count per tenant. */
export async function tenants(prefix: string, count: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => userToken(release, `${prefix}-${index}`, 'load')),
  )
}
