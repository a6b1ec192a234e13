/** Names of the release that the drills are written for: the ones `npm run up` uses. */
export const release = 'opencode'
export const namespace = 'opencode'
export const workerNamespace = 'opencode-workers'

/** Label selector of a component's pods. */
export const pods = (component: string): string => `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`

/** kubectl arguments that print one field of the first object a selector finds. */
export const firstOf = (kind: string, selector: string, field: string, inNamespace: string = namespace): string[] => [
  'kubectl', '--namespace', inNamespace, 'get', kind, '--selector', selector, '--output', `jsonpath={.items[0].${field}}`,
]

/** kubectl arguments that print the primary's pod of the CloudNativePG cluster. */
export const primaryPod = [
  'kubectl', '--namespace', namespace, 'get', 'cluster.postgresql.cnpg.io', `${release}-postgres`, '--output', 'jsonpath={.status.currentPrimary}',
]

/** kubectl arguments that print the node a pod runs on; `$pod` is a value's name with its dollar sign. */
export const nodeOf = (pod: string, inNamespace: string = namespace): string[] => [
  'kubectl', '--namespace', inNamespace, 'get', 'pod', pod, '--output', 'jsonpath={.spec.nodeName}',
]
