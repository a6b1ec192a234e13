import type { NamespacesValues } from '../../schemas/namespaces.ts'

export const namespaces: NamespacesValues = {
  namespaces: {
    mesh: 'none',
    podSecurity: 'restricted',
    main: { create: false, labels: {} },
    workers: { create: true, labels: {} },
    sandboxes: { create: true, labels: {} },
  },
}
