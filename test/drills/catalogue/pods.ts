import type { Drill } from '../lib/drill.ts'
import { firstOf, namespace, pods, workerNamespace } from './names.ts'

const kill = (pod: string, inNamespace: string): string[] => [
  'kubectl', '--namespace', inNamespace, 'delete', 'pod', pod, '--grace-period=0', '--force',
]

/** An API pod dies without a chance to drain. */
export const apiPod: Drill = {
  name: 'api-pod',
  title: 'API pod killed',
  scenario: 'pod',
  loads: ['write', 'read'],
  values: { pod: firstOf('pod', pods('api'), 'metadata.name') },
  inject: [{ title: 'Kill one API pod without grace', command: kill('$pod', namespace) }],
  restore: [
    { title: 'Wait for its replacement', command: ['kubectl', '--namespace', namespace, 'wait', 'pod', '--selector', pods('api'), '--for=condition=Ready', '--timeout=180s'] },
  ],
  deadlineSeconds: 60,
}

/** A worker dies in the middle of turns; another one restores the sessions and goes on. */
export const workerMidTurn: Drill = {
  name: 'worker-mid-turn',
  title: 'Worker killed in the middle of a turn',
  scenario: 'pod',
  exception: {
    budget: { rtoSeconds: 90, rpoSeconds: 0 },
    why: 'a turn whose worker died waits until its heartbeat is missed for 30 s before it is given to another worker; writes and reads do not wait',
  },
  loads: ['write', 'turn'],
  values: { pod: firstOf('pod', pods('worker'), 'metadata.name', workerNamespace) },
  inject: [{ title: 'Kill one worker without grace', command: kill('$pod', workerNamespace) }],
  restore: [
    { title: 'Wait for its replacement', command: ['kubectl', '--namespace', workerNamespace, 'wait', 'pod', '--selector', pods('worker'), '--for=condition=Ready', '--timeout=180s'] },
  ],
  deadlineSeconds: 120,
}

/** Every Redis pod dies: nothing durable lives there, so nothing may be lost. */
export const redisPods: Drill = {
  name: 'redis-pods',
  title: 'Every Redis pod killed',
  scenario: 'pod',
  exception: {
    budget: { rtoSeconds: 60, rpoSeconds: 0 },
    why: 'turns wait until a Redis pod is back and the API has queued them again from PostgreSQL; writes and reads need no Redis',
  },
  loads: ['write', 'turn'],
  inject: [
    {
      title: 'Kill every Redis pod without grace',
      command: ['kubectl', '--namespace', namespace, 'delete', 'pod', '--selector', pods('redis'), '--grace-period=0', '--force'],
    },
  ],
  restore: [
    { title: 'Wait for Redis', command: ['kubectl', '--namespace', namespace, 'wait', 'pod', '--selector', pods('redis'), '--for=condition=Ready', '--timeout=180s'] },
  ],
  deadlineSeconds: 120,
}
