import type { Step } from '../lib/drill.ts'

/** Names of the release that the drills are written for: the ones `npm run up` uses. */
export const release = 'opencode'
export const namespace = 'opencode'
export const workerNamespace = 'opencode-workers'
export const sandboxNamespace = 'opencode-sandboxes'
export const operatorNamespace = 'cnpg-system'

/** The CloudNativePG cluster. */
export const cluster = `${release}-postgres`
export const clusterObject = `cluster.postgresql.cnpg.io/${cluster}`

/** Label selector of a component's pods. */
export const pods = (component: string): string =>
  `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`

/** kubectl arguments for the release's namespace. */
export const kubectl = (...rest: readonly string[]): string[] => [
  'kubectl',
  '--namespace',
  namespace,
  ...rest,
]

/** Prints one field of an object. */
export const field = (path: string, ...object: readonly string[]): string[] =>
  kubectl('get', ...object, '--output', `jsonpath={${path}}`)

/** Prints the pod of the PostgreSQL primary. */
export const primaryPod = field('.status.currentPrimary', clusterObject)

/** Prints the node of a pod; `$pod` is a value's name with its dollar sign. */
export const nodeOf = (pod: string): string[] => field('.spec.nodeName', 'pod', pod)

/** Asks the operator to make an instance the primary: what `kubectl cnpg promote` writes. */
export const promote = (instance: string): string[] =>
  kubectl(
    'patch',
    clusterObject,
    '--subresource=status',
    '--type=merge',
    '--patch',
    `{"status":{"targetPrimary":"${instance}","phase":"Switchover in progress"}}`,
  )

/** Makes an instance the primary and waits until it is. */
export const promoted = (instance: string): Step[] => [
  { title: 'Make it the primary', command: promote(instance) },
  {
    title: 'Wait for it',
    command: kubectl(
      'wait',
      clusterObject,
      `--for=jsonpath={.status.currentPrimary}=${instance}`,
      '--timeout=120s',
    ),
  },
]

/** Deletes pods as if their processes had died: without grace. */
export const kill = (...what: readonly string[]): string[] => [
  'delete',
  'pod',
  ...what,
  '--grace-period=0',
  '--force',
]

/** Runs SQL in an instance and prints the bare result. */
export const sql = (pod: string, statement: string, database = 'opencode'): string[] =>
  kubectl(
    'exec',
    pod,
    '--container',
    'postgres',
    '--',
    'psql',
    '--dbname',
    database,
    '--no-align',
    '--tuples-only',
    '--command',
    statement,
  )

/** Waits for pods of a component. */
export const podsReady = (
  title: string,
  component: string,
  inNamespace: string = namespace,
): Step => ({
  title,
  command: [
    'kubectl',
    '--namespace',
    inNamespace,
    'wait',
    'pod',
    '--selector',
    pods(component),
    '--for=condition=Ready',
    '--timeout=30s',
  ],
  within: 300,
})

const giveBack =
  'export REDISCLI_AUTH="$REDIS_PASSWORD"; redis-cli role | head -1 | grep master || redis-cli cluster failover > /dev/null'

/**
 * Gives the leaders of the Redis Cluster their slots back once they have returned. After a failover one zone may hold two of the three
 * masters, and the loss of that zone leaves no majority to elect others: no turn runs until it is back.
 */
export const leadersSpread: Step = {
  title: 'Make the leaders of the Redis Cluster masters again, so that no zone holds two',
  command: [
    'sh',
    '-c',
    `kubectl --namespace ${namespace} get pods --selector app=${release}-redis-leader --output name | ` +
      `xargs -I% kubectl --namespace ${namespace} exec % -- sh -c '${giveBack}' | grep -c master`,
  ],
  prints: '3',
  within: 180,
}

const inPrimary = `kubectl --namespace ${namespace} exec $(${primaryPod.join(' ')}) --container postgres -- psql --no-align --tuples-only --command`

/**
 * Waits until the database is whole: every replica follows the primary. The Cluster's own condition is true for a while longer after an
 * instance has gone, and a primary must not be broken while another instance is still on its way: the one that is left may not be promoted.
 */
export const databaseWhole: Step = {
  title: 'Wait until all PostgreSQL instances stream again',
  command: [
    'sh',
    '-c',
    `${inPrimary} "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name LIKE '${cluster}-%'"`,
  ],
  prints: '2',
  within: 600,
}
