import type { StringMap } from './_lib/kubernetes.ts'
import type { LabelName } from './_lib/primitives.ts'

/** Service mesh of a namespace, set by its label. */
export type MeshMode = 'none' | 'sidecar' | 'ambient'

/** The release's own namespace. */
export interface MainNamespace {
  /**
   * Create the Namespace object of the release, for tools that apply manifests. `helm install` needs the namespace before it
   * renders anything: use `--create-namespace` there.
   * @default false
   */
  create: boolean
  /**
   * Labels.
   * @default {}
   */
  labels: StringMap
}

/** The tool workers' namespace. */
export interface WorkersNamespace {
  /**
   * Create the Namespace object.
   * @default true
   */
  create: boolean
  /** Name of the namespace. Left out: `<release>-workers`, with the release's namespace before it where that has another name. */
  name?: LabelName
  /**
   * Labels, beside those of Pod Security and the mesh.
   * @default {}
   */
  labels: StringMap
}

/** The sandboxes' namespace. */
export interface SandboxesNamespace {
  /**
   * Create the Namespace object.
   * @default true
   */
  create: boolean
  /** Name of the namespace. Left out: `<release>-sandboxes`, with the release's namespace before it where that has another name. */
  name?: LabelName
  /**
   * Labels, beside those of Pod Security and those that keep it out of every mesh.
   * @default {}
   */
  labels: StringMap
}

/** Namespaces that the release uses. */
export interface Namespaces {
  /**
   * Mesh that API, workers and stores join: `istio-injection: enabled` (sidecar) or `istio.io/dataplane-mode: ambient`. Sandboxes
   * join none.
   * @default "none"
   */
  mesh: MeshMode
  /**
   * Pod Security level that created namespaces enforce.
   * @default "restricted"
   */
  podSecurity: 'privileged' | 'baseline' | 'restricted'
  /** Namespace of the release: API, WebSocket handlers and stores. */
  main: MainNamespace
  /** Namespace of the tool workers, which hold one secret: Redis' password. */
  workers: WorkersNamespace
  /** Namespace of the sandboxes, which hold none. */
  sandboxes: SandboxesNamespace
}

/** Namespaces. */
export interface NamespacesValues {
  /** Namespaces that the release uses. */
  namespaces: Namespaces
}
