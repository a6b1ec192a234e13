/** Moves a pod off a node that is dead or cut off after half a minute; Kubernetes' own default is five. */
export const shortTolerations = ['not-ready', 'unreachable'].map((state) => ({
  key: `node.kubernetes.io/${state}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 30,
}))

/** What keeps one of a Deployment's two pods going: they lie on two nodes, and leave a dead one in half a minute. */
export const twoPods = {
  tolerations: shortTolerations,
  // Every pod of the namespace counts: which labels a Deployment's own have differs.
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'ScheduleAnyway',
      matchLabelKeys: ['pod-template-hash'],
      labelSelector: {},
    },
  ],
}
