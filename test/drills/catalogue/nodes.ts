import type { Drill } from '../lib/drill.ts'
import { namespace, nodeOf, pods, primaryPod, release } from './names.ts'

const ready = [
  { title: 'Start the node again', command: ['docker', 'start', '$node'] },
  { title: 'Wait for the node', command: ['kubectl', 'wait', 'node/$node', '--for=condition=Ready', '--timeout=300s'] },
  {
    title: 'Wait until all PostgreSQL instances stream again',
    command: ['kubectl', '--namespace', namespace, 'wait', `cluster.postgresql.cnpg.io/${release}-postgres`, '--for=condition=Ready', '--timeout=600s'],
  },
  {
    title: 'Wait for the API',
    command: ['kubectl', '--namespace', namespace, 'wait', 'pod', '--selector', pods('api'), '--for=condition=Ready', '--timeout=300s'],
  },
]

/** The node of the PostgreSQL primary loses power. Each worker node of the local cluster is a zone, so this is a zone's loss too. */
export const nodeKilled: Drill = {
  name: 'node-killed',
  title: 'Node of the PostgreSQL primary killed',
  scenario: 'node',
  loads: ['write', 'read', 'turn'],
  values: { primary: primaryPod, node: nodeOf('$primary') },
  inject: [{ title: 'Cut the power of the node', command: ['docker', 'kill', '$node'] }],
  restore: ready,
  deadlineSeconds: 300,
}

/** The node of the primary is alive but cut off: the old primary must not take writes. */
export const nodePartitioned: Drill = {
  name: 'node-partitioned',
  title: 'Node of the PostgreSQL primary partitioned',
  scenario: 'node',
  loads: ['write', 'read'],
  values: { primary: primaryPod, node: nodeOf('$primary') },
  inject: [{ title: 'Unplug the node from the network', command: ['docker', 'network', 'disconnect', 'kind', '$node'] }],
  restore: [
    { title: 'Plug it in again', command: ['docker', 'network', 'connect', 'kind', '$node'] },
    // The node may come back with another address: a restart makes kubelet report it.
    { title: 'Stop the node', command: ['docker', 'kill', '$node'] },
    ...ready,
  ],
  deadlineSeconds: 300,
}
