import type {
  DisruptionBudget,
  Image,
  OpenObject,
  Resources,
  Scheduling,
} from './_lib/kubernetes.ts'
import type { Count, Hostname, ObjectName, Port, PositiveCount } from './_lib/primitives.ts'

/** PgBouncer in front of an external database. With CloudNativePG use `postgres.cnpg.pooler` instead. */
export interface Pgbouncer {
  /**
   * Run it. Needs `postgres.mode: external`.
   * @default false
   */
  enabled: boolean
  /** Image. */
  image: Image
  /**
   * Pods.
   * @default 2
   */
  replicas: PositiveCount
  /** Server that it pools connections to. */
  host?: Hostname
  /**
   * Port of that server.
   * @default 5432
   */
  port: Port
  /**
   * TLS towards the server; `verify-full` needs `postgres.external.caConfigMap`.
   * @default "require"
   */
  serverTlsMode: 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'
  /** Secret with `tls.crt` and `tls.key`, to offer TLS to clients. */
  clientTlsSecret?: ObjectName
  /**
   * When a server connection goes back to the pool.
   * @default "transaction"
   */
  poolMode: 'session' | 'transaction' | 'statement'
  /**
   * Connections that clients may open, per pod.
   * @default 1000
   */
  maxClientConnections: PositiveCount
  /**
   * Server connections per user and database.
   * @default 20
   */
  defaultPoolSize: PositiveCount
  /**
   * Server connections kept open when idle.
   * @default 5
   */
  minPoolSize: Count
  /**
   * Prepared statements tracked per connection; zero turns protocol-level prepares off, which breaks most drivers.
   * @default 200
   */
  maxPreparedStatements: Count
  /** CPU and memory. */
  resources: Resources
  /** Voluntary disruptions. */
  disruptionBudget: DisruptionBudget
  /** Where pods may run. */
  scheduling: Scheduling
  /** Security context of the pods. */
  podSecurityContext: OpenObject
  /** Security context of the container. */
  containerSecurityContext: OpenObject
}

/** PgBouncer. */
export interface PgbouncerValues {
  /** PgBouncer in front of an external database. */
  pgbouncer: Pgbouncer
}
