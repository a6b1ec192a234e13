import type { Resources, StringMap } from './_lib/kubernetes.ts'
import type { Count, Seconds } from './_lib/primitives.ts'

/**
 * The Job that brings the database's schema to the release's version. A plain Job, no hook: its name carries a hash of its
 * content, so Helm and Argo CD both make a new one when something changed and leave it alone otherwise.
 */
export interface Migration {
  /**
   * Run it. Turn it off in regions that only replicate another one's database.
   * @default true
   */
  enabled: boolean
  /**
   * Retries of a failed pod.
   * @default 20
   */
  backoffLimit: Count
  /**
   * Seconds that it may take in all.
   * @default 1800
   */
  activeDeadlineSeconds: Seconds
  /** CPU and memory. */
  resources: Resources
  /**
   * Annotations of the Job, such as Argo CD's sync wave.
   * @default {}
   */
  annotations: StringMap
}

/** Migration. */
export interface MigrationValues {
  /** Schema migration. */
  migration: Migration
}
