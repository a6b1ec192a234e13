import type { ApiValues } from './api.ts'
import type { CredentialsValues } from './credentials.ts'
import type { EgressValues } from './egress.ts'
import type { ExtraValues } from './extra.ts'
import type { GatewayValues } from './gateway.ts'
import type { GlobalValues } from './global.ts'
import type { HostsValues } from './hosts.ts'
import type { IngressValues } from './ingress.ts'
import type { IstioValues } from './istio.ts'
import type { KedaValues } from './keda.ts'
import type { LlmValues } from './llm.ts'
import type { MigrationValues } from './migration.ts'
import type { MonitoringValues } from './monitoring.ts'
import type { NamespacesValues } from './namespaces.ts'
import type { NetworkPolicyValues } from './network-policy.ts'
import type { PgbouncerValues } from './pgbouncer.ts'
import type { PostgresValues } from './postgres.ts'
import type { RedisValues } from './redis.ts'
import type { RolloutsValues } from './rollouts.ts'
import type { SandboxValues } from './sandbox.ts'
import type { TestsValues } from './tests.ts'
import type { TracingValues } from './tracing.ts'
import type { WebsocketValues } from './websocket.ts'
import type { WorkerValues } from './worker.ts'

/**
 * All values of the chart: one interface a file, one top-level key (or few) an interface. The defaults are the typed objects
 * in `values/defaults/`, one a component; `npm run generate` makes the schema, values.yaml and the reference from both.
 */
export interface Values
  extends
    GlobalValues,
    NamespacesValues,
    ApiValues,
    WorkerValues,
    SandboxValues,
    WebsocketValues,
    PostgresValues,
    PgbouncerValues,
    RedisValues,
    CredentialsValues,
    LlmValues,
    MigrationValues,
    NetworkPolicyValues,
    EgressValues,
    HostsValues,
    GatewayValues,
    IngressValues,
    TracingValues,
    IstioValues,
    KedaValues,
    MonitoringValues,
    RolloutsValues,
    TestsValues,
    ExtraValues {}

/** Some of the values: what a region file or a user's overlay holds. `null` takes a default away. */
export type Overlay = DeepPartial<Values>

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> | null }
    : T
