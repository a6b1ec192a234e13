import type { Count, DataKey, Duration, ObjectName, Seconds } from './_lib/primitives.ts'

/** One key of an external secret store. */
export interface RemoteKey {
  /** Path or name in the store. */
  key: string
  /** Field of it, where it holds several. */
  property?: string
  /** Version of it. */
  version?: string
}

/** Where one Secret of the release comes from: exactly one of the two, or neither to have it made by `generate`. */
export interface CredentialSource {
  /** Secret that is there already. */
  existingSecret?: ObjectName
  /** Keys of the Secret and where an external secret store holds each; makes an ExternalSecret. */
  remoteKeys?: {
    [key: string]: RemoteKey
  }
}

/** Redis credentials: the same password in the release's and the workers' namespace, since workers must not read the others. */
export interface RedisCredentials extends CredentialSource {
  /**
   * Key with the password, in modes `embedded` and `cluster`.
   * @default "password"
   */
  passwordKey: DataKey
  /** The Secret in the workers' namespace, where it has another name than `existingSecret`. */
  workersExistingSecret?: ObjectName
}

/** Database credentials. CloudNativePG makes its own Secret and needs nothing here. */
export interface PostgresCredentials extends CredentialSource {
  /**
   * Key with the password of `postgres.owner`, in mode `embedded` and for PgBouncer.
   * @default "password"
   */
  passwordKey: DataKey
}

/** Credentials of the API and the WebSocket handlers. */
export interface ApiCredentials extends CredentialSource {
  /**
   * Key with the secret that signs users' tokens. The same in every region, or a failover logs everybody out.
   * @default "jwt-secret"
   */
  jwtSecretKey: DataKey
  /**
   * Key with the secret before the last rotation; may be missing.
   * @default "jwt-secret-previous"
   */
  jwtSecretPreviousKey: DataKey
  /**
   * Key with the secret that signs workers' turn tokens; derived from the first where it is missing.
   * @default "turn-token-secret"
   */
  turnTokenSecretKey: DataKey
  /**
   * Key with the secret shared with the edge; where it is there, requests must come through the edge.
   * @default "edge-secret"
   */
  edgeSecretKey: DataKey
}

/**
 * The Ed25519 keys of the tickets that open a sandbox to one worker. The private one, PEM PKCS#8, is the API's; the public one, PEM
 * SPKI, is in the sandboxes' namespace. A region has its own.
 */
export interface TicketCredentials extends CredentialSource {
  /**
   * Key with the private key.
   * @default "private-key"
   */
  privateKeyKey: DataKey
  /**
   * Key with the public key.
   * @default "public-key"
   */
  publicKeyKey: DataKey
  /** ConfigMap in the sandboxes' namespace with the public key, beside `existingSecret`. */
  existingConfigMap?: ObjectName
}

/** Settings of the External Secrets operator. */
export interface ExternalSecretStore {
  /** Kind of the store. */
  kind: 'SecretStore' | 'ClusterSecretStore'
  /** Its name. */
  name: ObjectName
  /** How often it is read again. */
  refreshInterval: Duration
}

/** Where every credential comes from. No template makes a random value: they would change at every Argo CD sync. */
export interface Credentials {
  /**
   * Let a Job make the Secrets that no other source is named for. It writes what is missing and never changes what is there.
   * @default true
   */
  generate: boolean
  /** External secret store that `remoteKeys` are read from. */
  externalSecrets?: ExternalSecretStore
  /** Database. */
  postgres: PostgresCredentials
  /** Redis. */
  redis: RedisCredentials
  /** Tokens. */
  api: ApiCredentials
  /** Tickets of the sandboxes. */
  tickets: TicketCredentials
  /**
   * Keys of the model providers: `llm.providers.<name>.apiKeySecretKey` names one in it.
   * @default {}
   */
  llm: CredentialSource
  /** The Job of `generate`. */
  job: {
    /**
     * Retries.
     * @default 10
     */
    backoffLimit: Count
    /**
     * Seconds that it may take in all.
     * @default 600
     */
    activeDeadlineSeconds: Seconds
  }
}

/** Credentials. */
export interface CredentialsValues {
  /** Where every credential comes from. */
  credentials: Credentials
}
