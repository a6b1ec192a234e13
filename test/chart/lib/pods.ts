import { id, type KubernetesObject } from './render.ts'

/** The parts of a container that the tests look at. */
export interface Container {
  name: string
  image: string
  securityContext?: Record<string, unknown>
  resources?: {
    requests?: Record<string, string | number>
    limits?: Record<string, string | number>
  }
  env?: {
    name: string
    value?: string
    valueFrom?: Record<string, { name: string; key: string; optional?: boolean }>
  }[]
  ports?: { name: string; containerPort: number }[]
  lifecycle?: { preStop?: { sleep?: { seconds: number } } }
  volumeMounts?: { name: string }[]
  [probe: string]: unknown
}

/** The parts of a pod that the tests look at. */
export interface PodSpec {
  containers: Container[]
  initContainers?: Container[]
  securityContext?: Record<string, unknown>
  serviceAccountName?: string
  terminationGracePeriodSeconds?: number
  volumes?: {
    name: string
    emptyDir?: { medium?: string; sizeLimit?: string }
    secret?: { secretName: string }
    configMap?: { name: string }
    persistentVolumeClaim?: { claimName: string }
  }[]
  imagePullSecrets?: { name: string }[]
  [field: string]: unknown
}

/** A pod of some object. */
export interface OwnedPod {
  owner: string
  namespace: string
  labels: Record<string, string>
  pod: PodSpec
  /** Volumes that a StatefulSet claims for each pod. */
  claims: string[]
}

/** Every pod template among the objects. */
export function pods(objects: KubernetesObject[]): OwnedPod[] {
  return objects.flatMap((object) => {
    const template = object.kind === 'Pod' ? object : podTemplate(object)
    if (!template) return []
    const spec = object['spec'] as { volumeClaimTemplates?: { metadata: { name: string } }[] }
    const claims = spec.volumeClaimTemplates?.map((claim) => claim.metadata.name) ?? []
    const labels = template.metadata?.labels ?? {}
    return [
      {
        owner: id(object),
        namespace: object.metadata.namespace ?? '',
        labels,
        pod: template['spec'] as PodSpec,
        claims,
      },
    ]
  })
}

function podTemplate(object: KubernetesObject): Partial<KubernetesObject> | undefined {
  if (!['Deployment', 'StatefulSet', 'Job', 'DaemonSet'].includes(object.kind)) return undefined
  return (object['spec'] as { template: Partial<KubernetesObject> }).template
}

const units: Record<string, number> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

/** A Kubernetes quantity as a number. */
export function bytes(quantity: string | number): number {
  const [, number = 'NaN', unit = ''] = /^([0-9.]+)([A-Za-z]*)$/.exec(String(quantity)) ?? []
  return Number(number) * (units[unit] ?? Number.NaN)
}
