import type { Drill, Exception } from '../lib/drill.ts'
import {
  cluster,
  clusterObject,
  databaseWhole,
  field,
  kill,
  kubectl,
  primaryPod,
  promote,
} from './names.ts'

const both = (exception: Exception): NonNullable<Drill['exceptions']> => ({
  write: exception,
  read: exception,
})

const why =
  'one primary takes writes, and reads that must be current: the operator has to notice the loss, promote a replica and move the Service'

/** The primary's pod disappears. */
export const primaryKilled: Drill = {
  name: 'primary-killed',
  title: 'PostgreSQL primary killed',
  component: 'PostgreSQL',
  scenario: 'pod',
  exceptions: both({ rtoSeconds: 60, why }),
  loads: ['write', 'read'],
  values: { primary: primaryPod },
  inject: [{ title: 'Kill the primary without grace', command: kubectl(...kill('$primary')) }],
  restore: [databaseWhole],
  deadlineSeconds: 180,
}

const hung = {
  rtoSeconds: 150,
  why:
    'the operator notices within half a minute, but the new primary waits for the lease that the manager beside the hung server goes on renewing, ' +
    "until a person or an alert's receiver removes the pod (CloudNativePG 1.30)",
}

/** The primary is alive but does not answer. */
export const primaryHung: Drill = {
  name: 'primary-hung',
  title: 'PostgreSQL primary hung',
  component: 'PostgreSQL',
  scenario: 'pod',
  exceptions: both(hung),
  loads: ['write', 'read'],
  values: { primary: primaryPod },
  inject: [
    {
      title: 'Stop every process of the server with SIGSTOP',
      command: kubectl(
        'exec',
        '$primary',
        '--container',
        'postgres',
        '--',
        'sh',
        '-c',
        'kill -STOP $(grep -lx postgres /proc/[0-9]*/comm | cut -d/ -f3)',
      ),
    },
  ],
  recover: [
    {
      title: 'Wait until the operator gives the primary up',
      command: kubectl(
        'wait',
        clusterObject,
        '--for=jsonpath={.status.phase}=Failing over',
        '--timeout=120s',
      ),
    },
    {
      title: 'Remove the hung instance, which sets its lease free',
      command: kubectl(...kill('$primary')),
    },
  ],
  restore: [databaseWhole],
  deadlineSeconds: 300,
}

/** A planned change of the primary. */
export const switchover: Drill = {
  name: 'switchover',
  title: 'PostgreSQL switched over',
  component: 'PostgreSQL',
  scenario: 'pod',
  exceptions: both({
    rtoSeconds: 30,
    why: 'the old primary stops and archives its last WAL, and writes then wait for a replica of the new one',
  }),
  loads: ['write', 'read'],
  values: {
    primary: primaryPod,
    replica: field(
      '.items[0].metadata.name',
      'pod',
      '--selector',
      `cnpg.io/cluster=${cluster},cnpg.io/instanceRole=replica`,
    ),
  },
  inject: [{ title: 'Name a replica as the new primary', command: promote('$replica') }],
  restore: [databaseWhole],
  deadlineSeconds: 120,
}
