/** A pod that is, or may become, somebody's sandbox. */
export interface SandboxPod {
  uid: string
  name: string
  /** `host:port` of its agent; absent until it has one. */
  address: string | undefined
  /** Changes with every change of the pod: a claim names the one that it has seen. */
  version: string
  isClaimed: boolean
  /** Whether it waits with a warm engine behind proven walls. */
  isReady: boolean
  /** How often its container has been started again. */
  starts: number
  state: PodState
}

/**
 * What a pod is up to. `leaving`: it is being deleted, drained, evicted or preempted, and nothing in it is to blame.
 * `ended`: its container has ended, or has been started again: what was in it is gone.
 */
export type PodState = 'running' | 'ended' | 'leaving'

/** Where sandboxes come from. Nothing here makes pods: the pool's Deployment does. */
export interface SandboxPods {
  /** All of them, claimed or not. */
  list(): Promise<SandboxPod[]>
  /** Takes a pod out of the pool. @returns false when it has changed since it was listed, or is gone */
  claim(pod: SandboxPod): Promise<boolean>
  /** @returns undefined when there is no such pod any more */
  find(name: string, uid: string): Promise<SandboxPod | undefined>
  /** Ends a pod for good; one that is gone already is as good. */
  end(name: string, uid: string): Promise<void>
}
