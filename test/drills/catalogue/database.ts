import type { Drill } from '../lib/drill.ts'
import { namespace, primaryPod, release } from './names.ts'

const cluster = `cluster.postgresql.cnpg.io/${release}-postgres`
const whole = {
  title: 'Wait until all instances stream again',
  command: ['kubectl', '--namespace', namespace, 'wait', cluster, '--for=condition=Ready', '--timeout=300s'],
}
const why = 'one primary takes writes: the operator must notice the loss, promote a replica and move the Service before a write succeeds'

/** The primary's pod disappears. */
export const primaryKilled: Drill = {
  name: 'primary-killed',
  title: 'PostgreSQL primary killed',
  scenario: 'pod',
  exception: { budget: { rtoSeconds: 60, rpoSeconds: 0 }, why },
  loads: ['write', 'read'],
  values: { primary: primaryPod },
  inject: [
    { title: 'Kill the primary without grace', command: ['kubectl', '--namespace', namespace, 'delete', 'pod', '$primary', '--grace-period=0', '--force'] },
  ],
  restore: [whole],
  deadlineSeconds: 180,
}

/** The primary is alive but does not answer. */
export const primaryHung: Drill = {
  name: 'primary-hung',
  title: 'PostgreSQL primary hung',
  scenario: 'pod',
  exception: { budget: { rtoSeconds: 120, rpoSeconds: 0 }, why: `${why}; a hung process is only found by its liveness probe` },
  loads: ['write', 'read'],
  values: { primary: primaryPod },
  inject: [
    {
      title: 'Stop the postmaster with SIGSTOP',
      command: ['kubectl', '--namespace', namespace, 'exec', '$primary', '--container', 'postgres', '--', 'sh', '-c', 'kill -STOP $(head -1 $PGDATA/postmaster.pid)'],
    },
  ],
  restore: [whole],
  deadlineSeconds: 300,
}

/** A planned change of the primary. */
export const switchover: Drill = {
  name: 'switchover',
  title: 'PostgreSQL switched over',
  scenario: 'pod',
  exception: { budget: { rtoSeconds: 30, rpoSeconds: 0 }, why: 'the old primary stops and archives before the new one takes writes' },
  loads: ['write', 'read'],
  values: {
    primary: primaryPod,
    replica: [
      'kubectl', '--namespace', namespace, 'get', 'pod', '--selector', `cnpg.io/cluster=${release}-postgres,cnpg.io/instanceRole=replica`,
      '--output', 'jsonpath={.items[0].metadata.name}',
    ],
  },
  inject: [
    {
      title: 'Name a replica as the new primary',
      command: [
        'kubectl', '--namespace', namespace, 'patch', cluster, '--subresource=status', '--type=merge',
        '--patch', '{"status":{"targetPrimary":"$replica","phase":"Switchover in progress"}}',
      ],
    },
  ],
  restore: [whole],
  deadlineSeconds: 120,
}
