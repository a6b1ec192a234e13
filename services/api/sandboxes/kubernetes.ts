import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Agent, fetch } from 'undici'
import { z } from 'zod'
import type { SandboxConfig } from '../../runtime/config.ts'
import type { PodState, SandboxPod, SandboxPods } from './pods.ts'

const account = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Time the API server has to answer, ms. */
const TIMEOUT = 5_000
/** Set to `claimed` with the claim, which takes the pod out of its Deployment's selector. */
const label = 'opencode.io/sandbox'
/** How often the container had been started again when the pod was claimed. */
const restarts = 'opencode.io/restarts-at-claim'
/** Reasons of a failed pod that are the cluster's and not the sandbox's. */
const outside = new Set([
  'Evicted',
  'NodeLost',
  'NodeShutdown',
  'Terminated',
  'Preempting',
  'Shutdown',
])

const podObject = z.object({
  metadata: z.object({
    uid: z.string(),
    name: z.string(),
    resourceVersion: z.string(),
    deletionTimestamp: z.string().nullish(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  status: z
    .object({
      phase: z.string().optional(),
      reason: z.string().optional(),
      podIP: z.string().optional(),
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: z.string().optional() }))
        .optional(),
      containerStatuses: z
        .array(
          z.object({
            restartCount: z.number().default(0),
            state: z.object({ terminated: z.object({}).nullish() }).optional(),
          }),
        )
        .optional(),
    })
    .default({}),
})
const podList = z.object({ items: z.array(podObject) })
const named = z.object({ metadata: z.object({ uid: z.string() }) })

type PodObject = z.infer<typeof podObject>

/** How the API server is reached. */
export interface ClusterAccess {
  /** @example https://10.96.0.1:443 */
  url: string
  token(): Promise<string>
  ca: string | undefined
}

/** Access with the pod's service account. @throws Error where there is none */
export function inClusterAccess(env: NodeJS.ProcessEnv = process.env): ClusterAccess {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host === undefined)
    throw new Error(
      'SANDBOX_NAMESPACE is set, but this is no pod: KUBERNETES_SERVICE_HOST is not set',
    )
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    // Read each time: the kubelet replaces it.
    token: async () => (await readFile(`${account}/token`, 'utf8')).trim(),
    ca: readFileSync(`${account}/ca.crt`, 'utf8'),
  }
}

/** The pods of a namespace. It may get, list, patch and delete them there, and get the one Deployment; it never creates. */
export class KubernetesPods implements SandboxPods {
  readonly #config: SandboxConfig & { namespace: string }
  readonly #access: ClusterAccess
  readonly #dispatcher: Agent
  #ownerUID: string | undefined

  constructor(config: SandboxConfig & { namespace: string }, access: ClusterAccess) {
    this.#config = config
    this.#access = access
    this.#dispatcher = new Agent({
      ...(access.ca === undefined ? {} : { connect: { ca: access.ca } }),
    })
  }

  async list(): Promise<SandboxPod[]> {
    // The pool's selector without its state: claimed ones are ours as well.
    const selector = this.#config.selector
      .split(',')
      .map((term) =>
        term.trim().startsWith(`${label}=`) ? `${label} in (unclaimed,claimed)` : term,
      )
      .join(',')
    const answer = await this.#call(
      'GET',
      `${this.#pods}?${new URLSearchParams({ labelSelector: selector }).toString()}`,
    )
    return podList.parse(answer).items.map((pod) => this.#toPod(pod))
  }

  async claim({ name, uid, version, starts }: SandboxPod): Promise<boolean> {
    const { owner } = this.#config
    const ownerUID = await this.#owner()
    const answer = await this.#call('PATCH', `${this.#pods}/${name}`, {
      metadata: {
        uid,
        resourceVersion: version,
        labels: { [label]: 'claimed' },
        annotations: {
          'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true',
          [restarts]: starts.toString(),
        },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'Deployment',
            name: owner,
            uid: ownerUID,
            controller: true,
          },
        ],
      },
    })
    return answer !== undefined
  }

  async find(name: string, uid: string): Promise<SandboxPod | undefined> {
    const answer = await this.#call('GET', `${this.#pods}/${name}`)
    if (answer === undefined) return undefined
    const pod = this.#toPod(podObject.parse(answer))
    return pod.uid === uid ? pod : undefined
  }

  async end(name: string, uid: string): Promise<void> {
    await this.#call('DELETE', `${this.#pods}/${name}`, {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      gracePeriodSeconds: 5,
      preconditions: { uid },
    })
  }

  get #pods(): string {
    return `/api/v1/namespaces/${encodeURIComponent(this.#config.namespace)}/pods`
  }

  async #owner(): Promise<string> {
    const { namespace, owner } = this.#config
    const path = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/deployments/${encodeURIComponent(owner)}`
    if (this.#ownerUID === undefined) {
      const answer = await this.#call('GET', path)
      if (answer === undefined)
        throw new Error(`there is no Deployment "${owner}" in ${namespace} to own sandboxes`)
      this.#ownerUID = named.parse(answer).metadata.uid
    }
    return this.#ownerUID
  }

  #toPod({ metadata, status }: PodObject): SandboxPod {
    const { podIP } = status
    const host = podIP?.includes(':') === true ? `[${podIP}]` : podIP
    return {
      uid: metadata.uid,
      name: metadata.name,
      address: host === undefined ? undefined : `${host}:${this.#config.port.toString()}`,
      version: metadata.resourceVersion,
      isClaimed: metadata.labels?.[label] === 'claimed',
      isReady: isTrue(status, 'Ready'),
      starts: startsOf(status),
      state: stateOf({ metadata, status }),
    }
  }

  /** @returns undefined for 404 and 409: the object is gone, or another than it was. @throws Error for everything else */
  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const response = await fetch(this.#access.url + path, {
      method,
      headers: {
        authorization: `Bearer ${await this.#access.token()}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT),
      dispatcher: this.#dispatcher,
    })
    const text = await response.text()
    if (response.status === 404 || response.status === 409) {
      // A claim's owner may have been made anew.
      this.#ownerUID = undefined
      return undefined
    }
    if (!response.ok)
      throw new Error(
        `the API server answered ${response.status.toString()} to ${method} ${path.split('?')[0] ?? ''}: ${text.slice(0, 200)}`,
      )
    return JSON.parse(text) as unknown
  }
}

function isTrue({ conditions }: PodObject['status'], type: string): boolean {
  return (
    conditions?.some((condition) => condition.type === type && condition.status === 'True') === true
  )
}

function stateOf({ metadata, status }: PodObject): PodState {
  const isLeaving =
    (metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null) ||
    outside.has(status.reason ?? '') ||
    isTrue(status, 'DisruptionTarget')
  if (isLeaving) return 'leaving'
  const before = metadata.annotations?.[restarts]
  const hasEnded =
    status.phase === 'Failed' ||
    status.phase === 'Succeeded' ||
    (before !== undefined && startsOf(status) > Number(before))
  return hasEnded ? 'ended' : 'running'
}

/** How often its container has been started again, a start to come included. */
function startsOf({ containerStatuses = [] }: PodObject['status']): number {
  return containerStatuses
    .map(({ restartCount, state }) => restartCount + (state?.terminated ? 1 : 0))
    .reduce((sum, count) => sum + count, 0)
}
