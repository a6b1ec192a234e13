import type {
  EmbeddedPersistence,
  Image,
  OpenObject,
  OperatorScheduling,
  Persistence,
  Resources,
  Scheduling,
} from './_lib/kubernetes.ts'
import type { DataKey, Port, PositiveCount } from './_lib/primitives.ts'

/** One pod with one volume. */
export interface EmbeddedRedis {
  /** Image with redis-server. */
  image: Image
  /** CPU and memory. */
  resources: Resources
  /** Volume of the append-only file. */
  persistence: EmbeddedPersistence
  /** Security context of the pod. */
  podSecurityContext: OpenObject
  /** Security context of the container. */
  containerSecurityContext: OpenObject
  /** Where the pod may run. */
  scheduling: Scheduling
}

/** A RedisCluster of the OT redis-operator. Needs the operator. */
export interface ClusterRedis {
  /**
   * Leaders, and as many followers.
   * @default 3
   */
  clusterSize: PositiveCount
  /** Image; it must be one that the operator can configure, a stock Redis image cannot join a cluster. */
  image: Image
  /** CPU and memory of each. */
  resources: Resources
  /** Volume of each. */
  persistence: Persistence
  /** Security context of the pods. */
  podSecurityContext: OpenObject
  /** Prometheus exporter beside each. */
  exporter: {
    /**
     * Run it.
     * @default true
     */
    enabled: boolean
    /** Image. */
    image: Image
    /** CPU and memory. */
    resources: Resources
  }
  /** Where pods may run. */
  scheduling: OperatorScheduling
}

/** A Redis that is there already. */
export interface ExternalRedis {
  /**
   * One server, or a cluster.
   * @default "single"
   */
  topology: 'single' | 'cluster'
  /**
   * Key with the URL in the Secrets of `credentials.redis`: `redis://` or `rediss://` (TLS) with user, password, port and database;
   * a cluster's nodes are separated by commas.
   * @default "redis-url"
   */
  urlKey: DataKey
  /**
   * Ports of that URL and of a cluster's nodes, which NetworkPolicies open: the URL itself is in a Secret.
   * @itemType Port
   * @default [6379]
   */
  ports: Port[]
}

/** Redis: turn queue and event fan-out. Nothing durable lives there. */
export interface Redis {
  /**
   * `embedded`: one pod. `cluster`: OT RedisCluster. `external`: URL in a Secret.
   * @default "embedded"
   */
  mode: 'embedded' | 'cluster' | 'external'
  /** Settings of mode `embedded`. */
  embedded: EmbeddedRedis
  /** Settings of mode `cluster`. */
  cluster: ClusterRedis
  /** Settings of mode `external`. */
  external: ExternalRedis
}

/** Redis. */
export interface RedisValues {
  /** Redis: turn queue and event fan-out. */
  redis: Redis
}
