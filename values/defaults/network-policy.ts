import type { NetworkPolicyValues } from '../../schemas/network-policy.ts'

export const networkPolicy: NetworkPolicyValues = {
  networkPolicy: {
    enabled: true,
    clients: [],
    monitoring: [],
    blockedCidrs: ['169.254.0.0/16', 'fd00:ec2::254/128'],
    dns: {
      ports: [53, 5353],
      to: [
        {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
          podSelector: {
            matchExpressions: [
              { key: 'k8s-app', operator: 'In', values: ['kube-dns', 'coredns', 'node-local-dns'] },
            ],
          },
        },
        {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'openshift-dns' } },
        },
        { ipBlock: { cidr: '169.254.20.10/32' } },
      ],
    },
    apiServer: { ports: [443, 6443, 6444, 8443, 16443], to: [] },
    apiEgress: {},
  },
}
