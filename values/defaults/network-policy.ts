import type { NetworkPolicyValues } from '../../schemas/network-policy.ts'

export const networkPolicy: NetworkPolicyValues = {
  networkPolicy: {
    enabled: true,
    clients: [],
    monitoring: [],
    blockedCidrs: ['169.254.0.0/16', 'fd00:ec2::254/128'],
    apiEgress: {},
    workerEgress: {},
  },
}
