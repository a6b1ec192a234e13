import type { Overlay } from '../schemas/index.ts'

/** Users and groups that the namespace's security context constraint chooses. */
const anyUser = { runAsUser: null, runAsGroup: null, fsGroup: null }

/** OpenShift's `restricted-v2`: every pod runs as a user of the namespace's own range, in group 0. */
export const openshift: Overlay = {
  api: { podSecurityContext: anyUser },
  worker: { podSecurityContext: anyUser },
  sandbox: { podSecurityContext: anyUser },
  websocket: { podSecurityContext: anyUser },
  pgbouncer: { podSecurityContext: anyUser },
  postgres: { embedded: { podSecurityContext: anyUser } },
  redis: {
    embedded: { podSecurityContext: anyUser },
    cluster: { podSecurityContext: { runAsUser: null, fsGroup: null } },
  },
}
