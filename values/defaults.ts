import type { Values } from '../schemas/index.ts'
import { api } from './defaults/api.ts'
import { credentials } from './defaults/credentials.ts'
import { egress } from './defaults/egress.ts'
import { extra } from './defaults/extra.ts'
import { gateway } from './defaults/gateway.ts'
import { global } from './defaults/global.ts'
import { hosts } from './defaults/hosts.ts'
import { ingress } from './defaults/ingress.ts'
import { istio } from './defaults/istio.ts'
import { keda } from './defaults/keda.ts'
import { llm } from './defaults/llm.ts'
import { migration } from './defaults/migration.ts'
import { monitoring } from './defaults/monitoring.ts'
import { namespaces } from './defaults/namespaces.ts'
import { networkPolicy } from './defaults/network-policy.ts'
import { pgbouncer } from './defaults/pgbouncer.ts'
import { postgres } from './defaults/postgres.ts'
import { redis } from './defaults/redis.ts'
import { rollouts } from './defaults/rollouts.ts'
import { sandbox } from './defaults/sandbox.ts'
import { tests } from './defaults/tests.ts'
import { tracing } from './defaults/tracing.ts'
import { websocket } from './defaults/websocket.ts'
import { worker } from './defaults/worker.ts'

/** What `helm install` without values runs: every component on an empty cluster, with the production numbers. */
export const defaults: Values = {
  ...global,
  ...namespaces,
  ...api,
  ...worker,
  ...sandbox,
  ...websocket,
  ...postgres,
  ...pgbouncer,
  ...redis,
  ...credentials,
  ...llm,
  ...migration,
  ...networkPolicy,
  ...egress,
  ...hosts,
  ...gateway,
  ...ingress,
  ...tracing,
  ...istio,
  ...keda,
  ...monitoring,
  ...rollouts,
  ...tests,
  ...extra,
}
