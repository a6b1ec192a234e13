import type { Drill } from '../lib/drill.ts'
import { field, kill, kubectl, leadersSpread, pods, podsReady, workerNamespace } from './names.ts'

/** An API pod dies without a chance to drain. */
export const apiPod: Drill = {
  name: 'api-pod',
  title: 'API pod killed',
  component: 'API',
  scenario: 'pod',
  loads: ['write', 'read'],
  values: { pod: field('.items[0].metadata.name', 'pod', '--selector', pods('api')) },
  inject: [{ title: 'Kill one API pod without grace', command: kubectl(...kill('$pod')) }],
  restore: [podsReady('Wait for its replacement', 'api')],
  deadlineSeconds: 60,
}

/** A worker dies in the middle of turns; another one dials their sandboxes and goes on where they stand. */
export const workerMidTurn: Drill = {
  name: 'worker-mid-turn',
  title: 'Worker killed in the middle of a turn',
  component: 'worker',
  scenario: 'pod',
  exceptions: {
    turn: {
      rtoSeconds: 90,
      why: 'a turn whose worker could not hand it over waits until its heartbeat has been missed for 3 s before another worker gets it; no other turn waits',
    },
  },
  loads: ['write', 'turn'],
  values: {
    pod: [
      'kubectl',
      '--namespace',
      workerNamespace,
      'get',
      'pod',
      '--selector',
      pods('worker'),
      '--output',
      'jsonpath={.items[0].metadata.name}',
    ],
  },
  inject: [
    {
      title: 'Kill one worker without grace',
      command: ['kubectl', '--namespace', workerNamespace, ...kill('$pod')],
    },
  ],
  restore: [podsReady('Wait for its replacement', 'worker', workerNamespace)],
  deadlineSeconds: 120,
}

/** Every Redis pod dies: nothing durable lives there, so nothing may be lost. */
export const redisPods: Drill = {
  name: 'redis-pods',
  title: 'Every Redis pod killed',
  component: 'Redis',
  scenario: 'pod',
  exceptions: {
    turn: {
      rtoSeconds: 90,
      why: 'turns wait until Redis is back and the API has queued them again from PostgreSQL; writes and reads need no Redis',
    },
  },
  loads: ['write', 'read', 'turn'],
  inject: [
    {
      title: 'Kill every Redis pod without grace',
      command: kubectl(...kill('--selector', pods('redis'))),
    },
  ],
  restore: [podsReady('Wait for Redis', 'redis'), leadersSpread],
  deadlineSeconds: 120,
}
