import type { Drill, Step } from '../lib/drill.ts'
import {
  cluster,
  clusterObject,
  databaseWhole,
  kubectl,
  namespace,
  podsReady,
  release,
  sandboxNamespace,
  workerNamespace,
} from './names.ts'
import { backedUp } from './storage.ts'

/** Installs the service over its backup. `$values` are the values that the lost release had. */
const install = (title: string, ...settings: readonly string[]): Step => ({
  title,
  command: [
    'helm',
    'upgrade',
    '--install',
    release,
    'chart',
    '--namespace',
    namespace,
    '--create-namespace',
    '--values',
    '-',
    ...settings.flatMap((setting) => ['--set', setting]),
  ],
  input: '$values\n',
})

const topology = 'postgres.cnpg.replica'
/** The lost database by its folder in the store, and the one in its place by its own: no folder takes the log of two. */
const places = [
  `${topology}.enabled=true`,
  `${topology}.self=rebuilt`,
  `${topology}.source=lost`,
  `${topology}.externalClusters.lost.backupServerName=$lost`,
  `${topology}.externalClusters.rebuilt.backupServerName=$rebuilt`,
  'postgres.cnpg.backup.serverName=$rebuilt',
]

/** Everything of the service is gone but the object store and the Secrets that are kept elsewhere. */
export const completeOutage: Drill = {
  name: 'complete-outage',
  title: 'Complete outage, rebuilt from the backup',
  component: 'everything but the object store',
  scenario: 'outage',
  loads: ['write', 'read'],
  // What plays the Redis operator on a local cluster works only while `npm run up` or `npm run drill` installs.
  overlay: { redis: { mode: 'embedded' } },
  values: {
    lost: [
      'sh',
      '-c',
      `kubectl --namespace ${namespace} get ${clusterObject} --output jsonpath='{.spec.plugins[0].parameters.serverName}' | grep . || echo ${cluster}`,
    ],
    rebuilt: ['date', '+rebuilt-%s'],
  },
  prepare: [
    ...backedUp,
    {
      title: 'Keep the values of the release',
      command: ['helm', 'get', 'values', release, '--namespace', namespace, '--output', 'yaml'],
      saves: 'values',
    },
    {
      title: 'Keep the Secrets that sign tokens and open the store',
      command: [
        'sh',
        '-c',
        `kubectl --namespace ${namespace} get secret ${release}-api s3-credentials --output yaml | grep -v -e ' uid:' -e ' resourceVersion:'`,
      ],
      saves: 'secrets',
    },
  ],
  inject: [
    // First: a namespace with a pod of half an hour's grace, as a PostgreSQL instance has, looks at itself again after half of that only.
    { title: 'Lose the database', command: kubectl('delete', clusterObject, '--wait=false') },
    {
      title: 'Kill what is left of it',
      command: kubectl(
        'delete',
        'pod',
        '--selector',
        `cnpg.io/cluster=${cluster}`,
        '--grace-period=0',
        '--force',
        '--timeout=60s',
      ),
    },
    {
      title: 'Lose everything else',
      command: [
        'kubectl',
        'delete',
        'namespace',
        namespace,
        workerNamespace,
        sandboxNamespace,
        '--wait=true',
        '--timeout=300s',
      ],
    },
  ],
  recover: [
    { title: 'Make the namespace', command: ['kubectl', 'create', 'namespace', namespace] },
    {
      title: 'Bring the Secrets back',
      command: ['kubectl', 'apply', '--server-side', '--filename', '-'],
      input: '$secrets\n',
    },
    install(
      'Restore the database from the store, as a replica of the lost one',
      ...places,
      `${topology}.primary=lost`,
      'migration.enabled=false',
      `credentials.postgres.existingSecret=${release}-postgres-app`,
    ),
    {
      title: 'Wait for it',
      command: kubectl('wait', clusterObject, '--for=condition=Ready', '--timeout=1200s'),
      within: 1200,
    },
    install('Promote it', ...places, `${topology}.primary=rebuilt`),
    podsReady('Wait for the API', 'api'),
  ],
  restore: [databaseWhole, podsReady('Wait for the workers', 'worker', workerNamespace)],
  deadlineSeconds: 1800,
}
