import type { Drill, Step } from '../lib/drill.ts'
import {
  cluster,
  clusterObject,
  databaseWhole,
  field,
  kill,
  kubectl,
  namespace,
  nodeOf,
  primaryPod,
  promoted,
  release,
  sql,
} from './names.ts'

const store = (...rest: readonly string[]): string[] => [
  'kubectl',
  '--namespace',
  'backup',
  ...rest,
]

/** The object store is away: archiving waits, the service does not. */
export const storeDown: Drill = {
  name: 'object-store-down',
  title: 'Object store down',
  component: 'object store',
  scenario: 'pod',
  loads: ['write', 'read'],
  values: { primary: primaryPod },
  inject: [
    { title: 'Stop the object store', command: store('scale', 'deployment/s3', '--replicas=0') },
    {
      title: 'Close a WAL file that cannot be archived',
      command: sql('$primary', 'SELECT pg_walfile_name(pg_switch_wal())'),
      saves: 'wal',
    },
    {
      title: 'See that archiving fails',
      command: sql(
        '$primary',
        "SELECT last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver",
      ),
      prints: 't',
      within: 120,
    },
  ],
  restore: [
    {
      title: 'Start the object store again',
      command: store('scale', 'deployment/s3', '--replicas=1'),
    },
    {
      title: 'Wait for it',
      command: store('rollout', 'status', 'deployment/s3', '--timeout=180s'),
    },
    {
      title: 'See that the WAL file is archived after all',
      command: sql('$primary', "SELECT last_archived_wal >= '$wal' FROM pg_stat_archiver"),
      prints: 't',
      within: 300,
    },
  ],
  deadlineSeconds: 60,
}

/** The archive holds everything up to now. */
const archived: readonly Step[] = [
  { title: 'Find the primary', command: primaryPod, saves: 'primary' },
  {
    title: 'Close the WAL file',
    command: sql('$primary', 'SELECT pg_walfile_name(pg_switch_wal())'),
    saves: 'wal',
  },
  {
    title: 'Wait until it is archived',
    command: sql('$primary', "SELECT last_archived_wal >= '$wal' FROM pg_stat_archiver"),
    prints: 't',
    within: 180,
  },
]

/** A base backup of the release's database, now. */
export const backedUp: readonly Step[] = [
  { title: 'Name the backup', command: ['date', '+drill-%s'], saves: 'backup' },
  {
    title: 'Take a base backup',
    command: kubectl('apply', '--filename', '-'),
    input: `apiVersion: postgresql.cnpg.io/v1
kind: Backup
metadata:
  name: $backup
spec:
  cluster:
    name: ${cluster}
  method: plugin
  pluginConfiguration:
    name: barman-cloud.cloudnative-pg.io
`,
  },
  {
    title: 'Wait for it',
    command: kubectl(
      'wait',
      'backup.postgresql.cnpg.io/$backup',
      '--for=jsonpath={.status.phase}=completed',
      '--timeout=300s',
    ),
  },
  // Taken from a replica, it is whole only with the log of the moment it ended, which the primary archives when the file is full.
  ...archived,
]

const restoredName = `${release}-restored`

/** A mistake in the data: the state of a moment before it is restored into a new, empty cluster, beside the running service. */
export const restorePointInTime: Drill = {
  name: 'restore-point-in-time',
  title: 'Backup restored to a point in time, into an empty cluster',
  component: 'backup',
  scenario: 'outage',
  loads: ['write'],
  prepare: backedUp,
  values: { image: field('.spec.imageName', clusterObject) },
  inject: [
    { title: 'Let clients write', command: ['sleep', '10'] },
    {
      title: 'Note the moment to restore',
      command: ['date', '--utc', '+%Y-%m-%dT%H:%M:%SZ'],
      saves: 'moment',
    },
    { title: 'Let clients write what must not come back', command: ['sleep', '5'] },
    ...archived,
  ],
  recover: [
    {
      title: 'Make an empty cluster from the backup, up to that moment',
      command: kubectl('apply', '--filename', '-'),
      input: `apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata:
  name: ${restoredName}
spec:
  instances: 1
  imageName: $image
  storage:
    size: 1Gi
  resources:
    requests: {cpu: 50m, memory: 256Mi}
  bootstrap:
    recovery:
      source: origin
      database: opencode
      owner: opencode
      recoveryTarget:
        targetTime: "$moment"
  externalClusters:
    - name: origin
      plugin:
        name: barman-cloud.cloudnative-pg.io
        parameters:
          barmanObjectName: ${cluster}-backup
          serverName: ${cluster}
`,
    },
    {
      title: 'Wait for it',
      command: kubectl(
        'wait',
        `cluster.postgresql.cnpg.io/${restoredName}`,
        '--for=condition=Ready',
        '--timeout=900s',
      ),
    },
  ],
  restored: { titles: sql(`${restoredName}-1`, 'SELECT title FROM sessions'), moment: 'moment' },
  restore: [
    {
      title: 'Remove the restored cluster, unless it is to take over',
      command: kubectl(
        'delete',
        `cluster.postgresql.cnpg.io/${restoredName}`,
        '--wait=true',
        '--timeout=120s',
      ),
    },
  ],
  deadlineSeconds: 900,
}

/** Fencing stops the server in an instance without ending its pod. */
const fence = (change: string): string[] =>
  kubectl('annotate', clusterObject, `cnpg.io/fencedInstances${change}`)
const instances = ['pod', '--selector', `cnpg.io/cluster=${cluster},cnpg.io/podRole=instance`]
const replica = field(
  '.items[0].metadata.name',
  'pod',
  '--selector',
  `cnpg.io/cluster=${cluster},cnpg.io/instanceRole=replica`,
)
const onNode = (script: string): string[] => ['docker', 'exec', '$node', 'sh', '-c', script]

// A file system in a file, not in memory: what is written to tmpfs counts as memory of the container that writes it. Two GiB are
// kept aside: not every machine lets a node's container enlarge a file system.
const image = '/var/small.img'
const ballast = '/small/ballast'

/** A replica whose volume lies on a small file system of its own becomes the primary. */
const onSmallVolume: readonly Step[] = [
  { title: 'Choose a replica', command: replica, saves: 'primary' },
  { title: 'Find its node', command: nodeOf('$primary'), saves: 'node' },
  {
    title: 'Find its volume',
    command: field('.spec.volumeName', 'pvc', '$primary'),
    saves: 'volume',
  },
  {
    title: "Find the volume's folder",
    command: onNode('ls -d /var/local-path-provisioner/$volume*'),
    saves: 'folder',
  },
  { title: 'Stop its server', command: fence('=["$primary"]') },
  {
    title: 'Wait until it has stopped',
    command: kubectl(
      'exec',
      '$primary',
      '--container',
      'postgres',
      '--',
      'sh',
      '-c',
      'test ! -e $PGDATA/postmaster.pid',
    ),
    within: 120,
  },
  {
    title: 'Move the volume onto a file system with half a GiB to spare',
    command: onNode(
      `truncate -s $(($(du -sm $folder | cut -f1) + 600 + 2048))M ${image} && mkfs.ext4 -q -m 0 ${image} && mkdir -p /small && mount -o loop ${image} /small && ` +
        `fallocate -l 2G ${ballast} && cp -a $folder /small/data && mount --bind /small/data $folder`,
    ),
  },
  { title: 'Start its server again, in a pod that sees the new file system', command: fence('-') },
  { title: 'Replace the pod', command: kubectl('delete', 'pod', '$primary') },
  {
    title: 'Wait for it',
    command: kubectl('wait', 'pod/$primary', '--for=condition=Ready', '--timeout=20s'),
    within: 180,
  },
  databaseWhole,
  ...promoted('$primary'),
  databaseWhole,
]

const stopped = {
  rtoSeconds: 300,
  why: 'the operator keeps an instance whose volume is full stopped, and fails over to no other one, until a person has enlarged the volume and replaced the pod',
}

/**
 * The primary's volume is full. The volumes of a local cluster are folders without a limit of their own: the drill first puts a
 * small file system in the folder's place, so that nothing else on the machine notices.
 */
export const diskFull: Drill = {
  name: 'disk-full',
  title: "Primary's volume full",
  component: 'PostgreSQL volume',
  scenario: 'node',
  exceptions: { write: stopped, read: stopped },
  loads: ['write', 'read'],
  prepare: onSmallVolume,
  inject: [
    {
      title: 'Fill the volume',
      command: onNode('head -c 2G /dev/zero > $folder/filler; df $folder'),
    },
    {
      title: 'Use up the WAL segments that are there',
      command: [
        'sh',
        '-c',
        `seq 40 | xargs -I% kubectl --namespace ${namespace} exec $primary --container postgres -- psql --dbname opencode --command ` +
          "\"SELECT pg_logical_emit_message(true, 'drill', repeat('x', 1000)), pg_switch_wal()\"",
      ],
      refused: true,
    },
    {
      title: 'Wait until the database says so',
      command: kubectl(
        'wait',
        clusterObject,
        '--for=jsonpath={.status.phase}=Not enough disk space',
        '--timeout=240s',
      ),
    },
  ],
  recover: [
    { title: 'Enlarge the volume', command: onNode(`rm ${ballast}`) },
    {
      title: 'Replace the pod, which would be started again only after minutes',
      command: kubectl(...kill('$primary')),
    },
  ],
  restore: [
    { title: 'Remove what filled it', command: onNode('rm -f $folder/filler') },
    databaseWhole,
    {
      title: 'Choose another primary',
      command: field(
        '.items[0].metadata.name',
        ...instances,
        '--field-selector',
        'metadata.name!=$primary',
      ),
      saves: 'other',
    },
    ...promoted('$other'),
    {
      title: 'Give up the small volume',
      command: kubectl('delete', 'pvc', '$primary', '--wait=false'),
    },
    {
      title: 'Replace the pod: a new instance copies the primary',
      command: kubectl('delete', 'pod', '$primary'),
    },
    {
      title: 'Unmount it',
      command: onNode(`umount --lazy $folder && umount --lazy /small && rm ${image}`),
    },
    databaseWhole,
  ],
  deadlineSeconds: 300,
}
