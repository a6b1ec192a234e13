/** Fields that a controller of the cluster owns: Argo CD neither reports nor resets them. */
export interface IgnoredDifference {
  readonly group?: string
  readonly kind: string
  readonly jsonPointers?: readonly string[]
  readonly jqPathExpressions?: readonly string[]
}

/** What the Rollouts controller and the autoscalers write into objects of the chart. */
export const ignoredDifferences: readonly IgnoredDifference[] = [
  // A canary's share of the traffic.
  {
    group: 'gateway.networking.k8s.io',
    kind: 'HTTPRoute',
    jqPathExpressions: ['.spec.rules[]?.backendRefs[]?.weight'],
  },
  {
    group: 'networking.istio.io',
    kind: 'VirtualService',
    jqPathExpressions: ['.spec.http[]?.route[]?.weight'],
  },
  // Which version's pods a Service leads to.
  { kind: 'Service', jqPathExpressions: ['.spec.selector."rollouts-pod-template-hash"'] },
  // The number of pods; a Deployment that a Rollout took over is scaled to none.
  { group: 'apps', kind: 'Deployment', jsonPointers: ['/spec/replicas'] },
  { group: 'argoproj.io', kind: 'Rollout', jsonPointers: ['/spec/replicas'] },
]
