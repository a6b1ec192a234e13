import type { KubernetesObject } from '../../chart/lib/render.ts'
import { Origin } from './origin.ts'

/** Pods with a sidecar: each has an address of its own, as in a cluster. */
export const pods = {
  'api-0': { ip: '127.0.2.1', component: 'api' },
  'api-1': { ip: '127.0.2.2', component: 'api' },
  websocket: { ip: '127.0.2.3', component: 'websocket' },
} as const

/** Names of those pods. */
export type PodName = keyof typeof pods

/** The gateway's address. */
export const gatewayIp = '127.0.2.4'

/** The programs in them, by the Services that lead to them. */
export const programs = [
  { service: 'opencode-api', pod: 'api-0', origin: new Origin('stable-0') },
  { service: 'opencode-api', pod: 'api-1', origin: new Origin('stable-1') },
  { service: 'opencode-api-canary', pod: 'api-0', origin: new Origin('canary') },
  { service: 'opencode-api-v2', pod: 'api-0', origin: new Origin('v2') },
  { service: 'opencode-websocket', pod: 'websocket', origin: new Origin('websocket') },
] as const
const services = [...new Set(programs.map(({ service }) => service))]

/** A pod's labels, which the chart's policies and the pod's Sidecar select it by. */
export const labelsOf = (pod: PodName): Record<string, string> => ({
  'app.kubernetes.io/name': 'opencode',
  'app.kubernetes.io/instance': 'opencode',
  'app.kubernetes.io/component': pods[pod].component,
  pod,
})

/** A listener of a pod's sidecar and the program that it leads to. */
export interface Endpoint {
  readonly service: string
  readonly pod: PodName
  readonly port: number
  readonly program: number
}

/** What a cluster's Services and pods tell the control plane, and which ports sidecars listen on where nothing redirects packets. */
export function surroundings(
  endpoints: readonly Endpoint[],
  gatewayPort: number,
): KubernetesObject[] {
  const networking = 'networking.istio.io/v1'
  const serviceEntries = services.map((name) => ({
    apiVersion: networking,
    kind: 'ServiceEntry',
    metadata: { name, namespace: 'opencode' },
    spec: {
      hosts: [`${name}.opencode.svc.cluster.local`],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      endpoints: endpoints
        .filter(({ service }) => service === name)
        .map(({ pod, port }) => ({
          address: pods[pod].ip,
          ports: { http: port },
          serviceAccount: `opencode-${pods[pod].component}`,
          labels: { ...labelsOf(pod), 'security.istio.io/tlsMode': 'istio' },
        })),
    },
  }))
  const sidecars = (Object.keys(pods) as PodName[]).map((name) => ({
    apiVersion: networking,
    kind: 'Sidecar',
    metadata: { name, namespace: 'opencode' },
    spec: {
      workloadSelector: { labels: labelsOf(name) },
      ingress: endpoints
        .filter(({ pod }) => pod === name)
        .map(({ port, program }) => ({
          port: { number: port, protocol: 'HTTP', name: `http-${port}` },
          bind: pods[name].ip,
          defaultEndpoint: `127.0.0.1:${program}`,
        })),
      egress: [{ hosts: ['./*'] }],
    },
  }))
  const gateway = {
    apiVersion: networking,
    kind: 'Gateway',
    metadata: { name: 'public', namespace: 'istio-ingress' },
    spec: {
      selector: { istio: 'gateway' },
      servers: [
        { hosts: ['*.opencode.io'], port: { name: 'http', number: gatewayPort, protocol: 'HTTP' } },
      ],
    },
  }
  return [...serviceEntries, ...sidecars, gateway]
}

/** The chart's objects with the canary's weight as the Rollouts controller writes it. */
export function withWeight(
  objects: readonly KubernetesObject[],
  weight: number,
): KubernetesObject[] {
  interface Spec {
    http: { route?: { weight?: number }[] }[]
  }
  return objects.map((object) => {
    if (object.kind !== 'VirtualService') return object
    const spec = structuredClone(object['spec']) as Spec
    for (const { route: [stableRoute, canaryRoute] = [] } of spec.http) {
      if (stableRoute && canaryRoute)
        [stableRoute.weight, canaryRoute.weight] = [100 - weight, weight]
    }
    return { ...object, spec }
  })
}
