import type { Drill, Step } from '../lib/drill.ts'
import {
  cluster,
  databaseWhole,
  field,
  leadersSpread,
  nodeOf,
  operatorNamespace,
  podsReady,
  primaryPod,
  promoted,
  sql,
  workerNamespace,
} from './names.ts'

const whole: readonly Step[] = [
  databaseWhole,
  podsReady('Wait for the API', 'api'),
  podsReady('Wait for the workers', 'worker', workerNamespace),
  leadersSpread,
]

const started: readonly Step[] = [
  { title: 'Start the node again', command: ['docker', 'start', '$node'] },
  {
    title: 'Wait for the node',
    command: ['kubectl', 'wait', 'node/$node', '--for=condition=Ready', '--timeout=300s'],
  },
]

/** What an old primary must be once it is back: a replica that refuses writes. */
const returned: readonly Step[] = [
  {
    title: 'See that the old primary has become a replica',
    command: sql('$primary', 'SELECT pg_is_in_recovery()'),
    prints: 't',
    within: 300,
  },
  {
    title: 'Write to the old primary',
    command: sql('$primary', 'CREATE TABLE written_by_the_old_primary ()'),
    refused: true,
  },
]

/** Loads that a lost node interrupts; turns on it are started again by other workers. */
const turns = {
  turn: {
    rtoSeconds: 240,
    why: 'a turn on the lost node waits until its heartbeat has been missed for 3 s, is restored into another sandbox, and that worker waits for the database first',
  },
}

/** The node of the PostgreSQL primary loses power. */
export const nodeKilled: Drill = {
  name: 'node-killed',
  title: 'Node of the PostgreSQL primary killed; the old primary returns',
  component: 'node',
  scenario: 'node',
  exceptions: turns,
  loads: ['write', 'read', 'turn'],
  values: { primary: primaryPod, node: nodeOf('$primary') },
  inject: [{ title: 'Cut the power of the node', command: ['docker', 'kill', '$node'] }],
  restore: [...started, ...whole, ...returned],
  deadlineSeconds: 300,
}

/** Drops every packet that enters or leaves a node; `-I` cuts, `-D` heals. */
const packets = (flag: '-I' | '-D'): string[] => [
  'docker',
  'exec',
  '$node',
  'sh',
  '-c',
  `iptables -t raw ${flag} PREROUTING -i eth0 -j DROP && iptables -t mangle ${flag} POSTROUTING -o eth0 -j DROP`,
]

/** The node of the primary is alive but cut off: the old primary must not take writes, cut off or back. */
export const nodePartitioned: Drill = {
  name: 'node-partitioned',
  title: 'Node of the PostgreSQL primary partitioned; the old primary returns',
  component: 'node',
  scenario: 'node',
  loads: ['write', 'read'],
  values: { primary: primaryPod, node: nodeOf('$primary') },
  inject: [{ title: 'Cut the node off from the network', command: packets('-I') }],
  proof: [
    {
      title: 'Write to the old primary from its own node',
      command: [
        'docker',
        'exec',
        '$node',
        'sh',
        '-c',
        'timeout 10 nsenter --target $(pgrep --oldest --exact postgres) --all --setuid 26 --setgid 26 ' +
          'psql --dbname opencode --command "CREATE TABLE written_by_the_old_primary ()"',
      ],
      refused: true,
    },
  ],
  restore: [
    { title: 'Connect the node again', command: packets('-D') },
    ...started.slice(1),
    ...whole,
    ...returned,
    {
      title: 'See that nothing of it is there',
      command: sql('$primary', "SELECT to_regclass('written_by_the_old_primary') IS NULL"),
      prints: 't',
    },
  ],
  deadlineSeconds: 300,
}

const zoneNodes =
  'kubectl get nodes --selector topology.kubernetes.io/zone=$zone --output name | cut -d/ -f2'

/** Every node of the primary's zone loses power. */
export const zoneKilled: Drill = {
  name: 'zone-killed',
  title: 'Zone of the PostgreSQL primary killed',
  component: 'zone',
  scenario: 'zone',
  loads: ['write', 'read', 'turn'],
  values: {
    primary: primaryPod,
    node: nodeOf('$primary'),
    zone: field('.metadata.labels.topology\\.kubernetes\\.io/zone', 'node', '$node'),
  },
  inject: [
    {
      title: 'Cut the power of all nodes of the zone',
      command: ['sh', '-c', `docker kill $(${zoneNodes})`],
    },
  ],
  restore: [
    { title: 'Start the nodes again', command: ['sh', '-c', `docker start $(${zoneNodes})`] },
    {
      title: 'Wait for the nodes',
      command: [
        'kubectl',
        'wait',
        'nodes',
        '--selector',
        'topology.kubernetes.io/zone=$zone',
        '--for=condition=Ready',
        '--timeout=300s',
      ],
    },
    ...whole,
    ...returned,
  ],
  deadlineSeconds: 400,
}

/** Moves the primary to the node of the operator that leads. */
const besideOperator: readonly Step[] = [
  {
    title: 'Find the node of the operator that leads, once one does',
    command: [
      'sh',
      '-c',
      `kubectl --namespace ${operatorNamespace} get pod --output jsonpath='{.spec.nodeName}' ` +
        `$(kubectl --namespace ${operatorNamespace} get lease db9c8771.cnpg.io --output jsonpath='{.spec.holderIdentity}' | cut -d_ -f1 | grep . || echo none)`,
    ],
    within: 60,
    saves: 'node',
  },
  {
    title: 'Find the instance on that node',
    command: field(
      '.items[0].metadata.name',
      'pod',
      '--selector',
      `cnpg.io/cluster=${cluster}`,
      '--field-selector',
      'spec.nodeName=$node',
    ),
    saves: 'primary',
  },
  ...promoted('$primary'),
  databaseWhole,
]

const both: Pick<Drill, 'component' | 'scenario' | 'inject'> = {
  component: 'PostgreSQL, operator',
  scenario: 'node',
  inject: [{ title: 'Cut the power of the node of both', command: ['docker', 'kill', '$node'] }],
}

/** The operator that should promote a replica dies with the primary. */
export const operatorAndPrimary: Drill = {
  ...both,
  name: 'operator-and-primary',
  title: 'Operator killed together with the primary',
  loads: ['write', 'read'],
  prepare: besideOperator,
  restore: [...started, ...whole, ...returned],
  deadlineSeconds: 300,
}

const operator = (patch: string): string[] => [
  'kubectl',
  '--namespace',
  operatorNamespace,
  'patch',
  'deployment',
  'cnpg-controller-manager',
  '--type=merge',
  '--patch',
  patch,
]
const operatorReady: Step = {
  title: 'Wait for the operator',
  command: [
    'kubectl',
    '--namespace',
    operatorNamespace,
    'rollout',
    'status',
    'deployment',
    'cnpg-controller-manager',
    '--timeout=180s',
  ],
}

/** The same failure with what is known to be bad: must miss the budget. */
export const knownBad: Drill = {
  ...both,
  name: 'known-bad',
  title: 'Control: asynchronous replication, default tolerations, one operator',
  control: true,
  loads: ['write', 'read'],
  overlay: { postgres: { cnpg: { synchronous: { number: 0 }, unreachableSeconds: 300 } } },
  prepare: [
    {
      title: 'Remember how the operator runs',
      command: [
        'kubectl',
        '--namespace',
        operatorNamespace,
        'get',
        'deployment',
        'cnpg-controller-manager',
        '--output',
        'jsonpath={.spec}',
      ],
      saves: 'before',
    },
    {
      title: 'Leave one operator with default tolerations',
      command: operator('{"spec":{"replicas":1,"template":{"spec":{"tolerations":null}}}}'),
    },
    operatorReady,
    ...besideOperator,
  ],
  restore: [
    ...started,
    { title: 'Run the operator as before', command: operator('{"spec":$before}') },
    operatorReady,
    ...whole,
  ],
  // Longer than the budget by enough to be sure; the whole wait would be above five minutes.
  deadlineSeconds: 180,
}
