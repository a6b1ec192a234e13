import { $ } from 'zx'
import { clusterEnv, kubectl } from './kind-cluster.ts'
import { tool } from './paths.ts'
import type { Release } from './release.ts'

/** Leads the cluster's shared Gateway to a release that brings no route of its own. */
export async function ensureRoutes(release: Release): Promise<void> {
  const run = $({ quiet: true, nothrow: true, env: clusterEnv(release.cluster) })
  const selector = `app.kubernetes.io/instance=${release.name}`
  const own =
    await run`${tool('kubectl')} get httproutes --namespace ${release.namespace} --selector ${selector} --output name`
  if (own.exitCode === 0 && own.stdout.trim() !== '') return
  const route = localRoute(release)
  await kubectl(
    release.cluster,
    ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
    JSON.stringify(route),
  )
}

/** The route for a local cluster: every host name, streams without a deadline, nothing below /internal. */
export function localRoute(release: Pick<Release, 'name' | 'namespace'>): Record<string, unknown> {
  const fullname = release.name.includes('opencode') ? release.name : `${release.name}-opencode`
  const path = (value: string): unknown[] => [{ path: { type: 'PathPrefix', value } }]
  const to = (component: string): unknown[] => [{ name: `${fullname}-${component}`, port: 80 }]
  // A stream lives as long as its client; Envoy Gateway would end it after 15 s.
  const timeouts = { request: '0s' }
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `${fullname}-local`, namespace: release.namespace },
    spec: {
      parentRefs: [{ name: 'opencode', namespace: 'gateway' }],
      rules: [
        { matches: path('/ws'), backendRefs: to('websocket'), timeouts },
        // No backend: the gateway answers 500 for what only workers may call.
        { matches: path('/internal') },
        { matches: path('/'), backendRefs: to('api'), timeouts },
      ],
    },
  }
}
