import type { RegionRecord } from './region-health.ts'

/** What operators have decided. */
export interface Controls {
  /** Regions that get no new requests while another is healthy. */
  drained: string[]
  /** The one region that all requests go to first; null for none. */
  pinned: string | null
  /**
   * Region whose data moved → region that was promoted in its place. Requests for the first go to the second until the entry is
   * removed, even when the first answers again: its database is no longer the primary.
   */
  promoted: Record<string, string>
}

/** The health state: one object, kept by the Durable Object, cached in each data centre and in each isolate. */
export interface HealthState {
  /** Unix time of the last round of probes, ms. */
  readonly checkedAt: number
  readonly regions: Readonly<Record<string, RegionRecord>>
  readonly controls: Controls
}

/** A change of {@link Controls}. */
export type ControlChange =
  | { readonly kind: 'drain'; readonly region: string; readonly on: boolean }
  | { readonly kind: 'pin'; readonly region: string | null }
  | { readonly kind: 'promote'; readonly region: string; readonly to: string | null }

/** Applies a change to the controls. */
export function applyChange(controls: Controls, change: ControlChange): Controls {
  switch (change.kind) {
    case 'drain': {
      const others = controls.drained.filter((name) => name !== change.region)
      return { ...controls, drained: change.on ? [...others, change.region] : others }
    }
    case 'pin':
      return { ...controls, pinned: change.region }
    case 'promote': {
      const others = Object.entries(controls.promoted).filter(([name]) => name !== change.region)
      return {
        ...controls,
        promoted: Object.fromEntries(
          change.to === null ? others : [...others, [change.region, change.to]],
        ),
      }
    }
  }
}

/** No decisions. */
export const noControls: Controls = Object.freeze({ drained: [], pinned: null, promoted: {} })
