import type {
  EmbeddedPersistence,
  Image,
  OpenObject,
  Resources,
  Scheduling,
  StringMap,
  Toleration,
  VolumeClaim,
} from './_lib/kubernetes.ts'
import type {
  Count,
  DataKey,
  Duration,
  ImageReference,
  LabelName,
  ObjectName,
  Port,
  PositiveCount,
  Seconds,
  SixFieldCron,
} from './_lib/primitives.ts'

/** Server settings by name, as in postgresql.conf. */
export interface PostgresParameters {
  [name: string]: string
}

/** One pod with one volume: no operator, no failover. For trials and small teams. */
export interface EmbeddedPostgres {
  /** Image with PostgreSQL's programs; the official one or Debian's. */
  image: Image
  /** CPU and memory. */
  resources: Resources
  /** Volume of the data. */
  persistence: EmbeddedPersistence
  /** Security context of the pod. */
  podSecurityContext: OpenObject
  /** Security context of the container. */
  containerSecurityContext: OpenObject
  /** Settings in postgresql.conf. */
  parameters: PostgresParameters
  /** Where the pod may run. */
  scheduling: Scheduling
}

/** Key of a Secret in the release's namespace. */
export interface SecretKey {
  /** Secret. */
  name: ObjectName
  /** Key in it. */
  key: DataKey
}

/** Where backups go: an S3-compatible bucket through the Barman Cloud plugin. */
export interface PostgresBackup {
  /**
   * Archive WAL and take base backups. Needs the Barman Cloud plugin beside the operator.
   * @default false
   */
  enabled: boolean
  /**
   * Bucket and path.
   * @default "s3://opencode-backups/postgres"
   */
  destinationPath: string
  /** Endpoint of an S3-compatible store other than AWS. */
  endpointURL?: string
  /** Name of this server's folder in the bucket; the cluster's name where it is left out. */
  serverName?: LabelName
  /** Credentials of the bucket. Left out, the pods' cloud identity is used. */
  credentials?: {
    /** Access key id. */
    accessKeyId: SecretKey
    /** Secret access key. */
    secretAccessKey: SecretKey
  }
  /**
   * Compression of WAL files and base backups.
   * @default "gzip"
   */
  compression: 'gzip' | 'bzip2' | 'snappy' | 'none'
  /**
   * How long backups are kept: a number with `d`, `w` or `m` (months).
   * @default "30d"
   */
  retentionPolicy: Duration
  /**
   * When base backups are taken, in UTC.
   * @default "0 0 2 * * *"
   */
  schedule: SixFieldCron
  /** CPU and memory of the plugin's container beside each instance. A failover waits for the WAL that it fetches. */
  resources: Resources
}

/** Another region's cluster, as CloudNativePG's `externalClusters` names it. */
export interface ExternalCluster {
  /** Connection parameters for streaming, such as `host`, `user`, `dbname`, `sslmode`. */
  connectionParameters?: StringMap
  /** Password of the streaming user. */
  password?: SecretKey
  /** Client key for streaming. */
  sslKey?: SecretKey
  /** Client certificate for streaming. */
  sslCert?: SecretKey
  /** Certificate authority of the other cluster. */
  sslRootCert?: SecretKey
  /** Folder of that cluster in the backup bucket, to read its WAL archive. */
  backupServerName?: LabelName
}

/** Replica of another region. Promotion sets `primary` and `promotionToken` together, never by itself. */
export interface ReplicaCluster {
  /**
   * Take part in a distributed topology.
   * @default false
   */
  enabled: boolean
  /** Name of this region's cluster among all; one of `externalClusters` or its own name. */
  self?: LabelName
  /** Name of the region that is written to. */
  primary?: LabelName
  /** Name of the cluster that this one follows. */
  source?: LabelName
  /** The old primary's `.status.demotionToken`: makes a promotion a switchover instead of a failover. */
  promotionToken?: string
  /**
   * All regions' clusters, by name, this one's included.
   * @default {}
   */
  externalClusters: {
    [name: string]: ExternalCluster
  }
}

/**
 * Timing of the Lease that the primary of a CloudNativePG cluster holds, shorter than the operator's own. A primary that cannot renew it
 * goes on until another instance, which the operator has to name first, holds it.
 */
export interface PrimaryLease {
  /**
   * Seconds unrenewed after which another instance may take it. The operator's own default is 15.
   * @default 6
   */
  leaseDurationSeconds: PositiveCount
  /**
   * Seconds that a primary goes on trying to renew it before it looks who holds it. Less than `leaseDurationSeconds`. The operator's own
   * default is 10.
   * @default 4
   */
  renewDeadlineSeconds: PositiveCount
  /**
   * Seconds between two renewals, and between two looks of the instance that waits for it. `renewDeadlineSeconds` must be more than 1.2
   * times as long. The operator's own default is 2.
   * @default 1
   */
  retryPeriodSeconds: PositiveCount
}

/** PgBouncer as CloudNativePG runs it. */
export interface Pooler {
  /**
   * Put it between application and database.
   * @default true
   */
  enabled: boolean
  /**
   * Pods.
   * @default 2
   */
  instances: PositiveCount
  /**
   * When a server connection goes back to the pool.
   * @default "transaction"
   */
  poolMode: 'session' | 'transaction'
  /** Image of PgBouncer; the operator's default where it is left out. `global.imageRegistry` replaces its registry, and so needs it. */
  imageName?: ImageReference
  /** Settings of pgbouncer.ini. */
  parameters: StringMap
  /** CPU and memory of each pod. */
  resources: Resources
}

/** A CloudNativePG Cluster: three instances, automatic failover, backups. Needs the operator. */
export interface CnpgPostgres {
  /**
   * Pods: one primary, the rest replicas.
   * @default 3
   */
  instances: PositiveCount
  /**
   * Image; the operator's default for its version where it is left out. `global.imageRegistry` replaces its registry, and so needs it.
   */
  imageName?: ImageReference
  /** CPU and memory of each. */
  resources: Resources
  /** Volume of each. */
  storage: VolumeClaim
  /** Volume for the write-ahead log alone; with the data where it is left out. */
  walStorage?: VolumeClaim
  /** Server settings. */
  parameters: PostgresParameters
  /** Replicas that must have a transaction before it counts as committed. Zero means asynchronous replication. */
  synchronous: {
    /**
     * How many.
     * @default 1
     */
    number: Count
    /**
     * `required` stops writes when too few replicas are there, `preferred` goes on without them.
     * @default "required"
     */
    dataDurability: 'required' | 'preferred'
    /**
     * Promote only a replica that is known to have every committed transaction.
     * @default true
     */
    failoverQuorum: boolean
  }
  /** Keep instances apart by this node label. */
  antiAffinity: {
    /**
     * `required` leaves an instance unscheduled rather than put two in one place.
     * @default "required"
     */
    type: 'preferred' | 'required'
    /**
     * Node label.
     * @default "topology.kubernetes.io/zone"
     */
    topologyKey: string
  }
  /**
   * Labels that a node must have.
   * @default {}
   */
  nodeSelector: StringMap
  /**
   * Taints that instances and pooler tolerate, beside the two of `unreachableSeconds`.
   * @default []
   */
  tolerations: Toleration[]
  /**
   * Seconds of a smart shutdown before connections are cut. The operator's own default is 180.
   * @default 15
   */
  smartShutdownTimeout: Seconds
  /**
   * Seconds that a primary may take to stop during a switchover. The operator's own default is 3600.
   * @default 60
   */
  switchoverDelay: Seconds
  /**
   * Timing of the Lease that the primary holds. A replica promotes itself only once it has seen the Lease unrenewed for its whole
   * duration, so that every failover but a clean one waits that long.
   */
  primaryLease: PrimaryLease
  /**
   * Seconds after which instances leave a node that is not ready or unreachable.
   * @default 30
   */
  unreachableSeconds: Seconds
  /** Connection pooler. */
  pooler: Pooler
  /** Backups. */
  backup: PostgresBackup
  /** Replication from or to another region. */
  replica: ReplicaCluster
  /**
   * Scrape the instances and the pooler with PodMonitors. Needs the Prometheus operator.
   * @default false
   */
  podMonitor: boolean
  /**
   * Merged into the Cluster's spec last, for what the chart has no value for.
   * @default {}
   */
  extraSpec: OpenObject
}

/** A database that is there already; its URLs also serve a region whose own cluster follows another one's primary. */
export interface ExternalPostgres {
  /**
   * Key with the primary's URL in the Secret of `credentials.postgres`. Its `sslmode` may be `disable`, `require`, `verify-ca`,
   * `verify-full` or `no-verify`; beside `caConfigMap` the server is always checked against it.
   * @default "database-url"
   */
  urlKey: DataKey
  /**
   * Keys with the URLs of read replicas, in order.
   * @itemType DataKey
   * @default []
   */
  replicaUrlKeys: DataKey[]
  /**
   * Ports of those URLs, which NetworkPolicies open: the URLs themselves are in a Secret.
   * @itemType Port
   * @default [5432]
   */
  ports: Port[]
  /** ConfigMap with the certificate authority of the server, under `ca.crt`. */
  caConfigMap?: ObjectName
}

/** PostgreSQL, the only source of truth. */
export interface Postgres {
  /**
   * `embedded`: one pod. `cnpg`: CloudNativePG. `external`: URLs in a Secret.
   * @default "embedded"
   */
  mode: 'embedded' | 'cnpg' | 'external'
  /**
   * Database.
   * @default "opencode"
   */
  database: LabelName
  /**
   * Role that owns it.
   * @default "opencode"
   */
  owner: LabelName
  /** Settings of mode `embedded`. */
  embedded: EmbeddedPostgres
  /** Settings of mode `cnpg`. */
  cnpg: CnpgPostgres
  /** Settings of mode `external`. */
  external: ExternalPostgres
}

/** PostgreSQL. */
export interface PostgresValues {
  /** PostgreSQL. */
  postgres: Postgres
}
