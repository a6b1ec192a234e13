import type { Drill } from '../lib/drill.ts'
import { kubectl, namespace, pods, primaryPod, release, sql } from './names.ts'

/** The regions of the drill, and the clusters that `npm run drill` makes for them. */
export const lost = { region: 'us', cluster: 'opencode-prod' } as const
export const follower = { region: 'eu', cluster: 'opencode-prod-eu', port: 8092 } as const

const context = `kind-${follower.cluster}`
const inFollower = ([program = '', ...rest]: readonly string[]): string[] => [
  program,
  '--context',
  context,
  ...rest,
]
const nodes = `docker ps --all --quiet --filter label=io.x-k8s.kind.cluster=${lost.cluster}`

/** A whole region is lost; the one that follows it is promoted, and the old one comes back. */
export const regionLost: Drill = {
  name: 'region-lost',
  title: 'Region lost, its follower promoted; the old region returns',
  component: 'region',
  scenario: 'region',
  loads: ['write', 'read'],
  regions: true,
  values: { edge: ['printenv', 'EDGE'], token: ['printenv', 'OPERATOR_TOKEN'] },
  inject: [
    { title: 'Cut the power of the region', command: ['sh', '-c', `docker kill $(${nodes})`] },
  ],
  recover: [
    {
      title:
        'Tell the edge who has the data from now on, so that the old region gets no writes even when it returns',
      command: [
        'curl',
        '--fail',
        '--silent',
        '--show-error',
        '--header',
        'Authorization: Bearer $token',
        '--header',
        'Content-Type: application/json',
        '--data',
        `{"region":"${lost.region}","to":"${follower.region}"}`,
        '$edge/__edge/promote',
      ],
    },
    {
      title: 'Promote the database of the follower',
      command: [
        'helm',
        '--kube-context',
        context,
        'upgrade',
        release,
        'chart',
        '--namespace',
        namespace,
        '--reset-then-reuse-values',
        '--set',
        `postgres.cnpg.replica.primary=${follower.region}`,
      ],
    },
    {
      title: 'Wait until it takes writes',
      command: inFollower(sql(`${release}-postgres-1`, 'SELECT pg_is_in_recovery()')),
      prints: 'f',
      within: 300,
    },
    {
      title: 'Wait until the API writes to it',
      command: inFollower(
        kubectl(
          'wait',
          `rollout.argoproj.io/${release}-api`,
          '--for=jsonpath={.status.phase}=Healthy',
          '--timeout=300s',
        ),
      ),
    },
  ],
  proof: [
    { title: 'Let the old region return', command: ['sh', '-c', `docker start $(${nodes})`] },
    {
      title: 'Wait until its service answers',
      command: kubectl(
        'wait',
        'pod',
        '--selector',
        pods('api'),
        '--for=condition=Ready',
        '--timeout=20s',
      ),
      within: 300,
    },
    { title: 'Let clients go on for a while', command: ['sleep', '20'] },
    { title: 'Find its primary', command: primaryPod, saves: 'old' },
    {
      title: 'See that nobody writes to it',
      command: sql(
        '$old',
        "SELECT count(*) FROM sessions WHERE created_at > now() - interval '15 seconds'",
      ),
      prints: '0',
      within: 30,
    },
  ],
  restore: [],
  deadlineSeconds: 900,
}
